// The log guard: reads what a test writes to its logs, and fails the test when something personal got there.

import { type RedactionOptions, Redactor } from '../core/redaction.ts'
import { LogLeakError } from '../errors.ts'

export interface LogGuardOptions extends RedactionOptions {
  /** Texts that no log may hold, as they are: names, titles, numbers that the test has put into the tables. */
  readonly absent?: readonly string[] | undefined
}

/** What was found: what it looks like, and the line without it. */
export interface LogLeak {
  readonly kind: string
  readonly line: string
}

/** What is kept of a line that has no end. */
const lineLengthMax = 1_048_576

/** @example
 * ```ts
 * const guard = logGuard({ fields: Object.keys(mask), absent: ['Ada Lovelace'] })
 * const app = await start({ logger: pino(guard) })
 * // … the test …
 * guard.assertClean()
 * ```
 */
export class LogGuard {
  /** So that pino takes it for a destination. */
  readonly writable = true
  readonly #redactor: Redactor
  readonly #absent: readonly string[]
  readonly #leaks: LogLeak[] = []
  readonly #unwatch: (() => void)[] = []
  #lines = 0
  #rest = ''

  constructor({ absent = [], ...options }: LogGuardOptions = {}) {
    this.#redactor = new Redactor(options)
    this.#absent = absent.filter((text) => text !== '')
  }

  /** A destination for pino, or whatever else writes lines. */
  write(text: string): void {
    const lines = `${this.#rest}${text}`.split('\n')
    this.#rest = (lines.pop() ?? '').slice(-lineLengthMax)
    for (const line of lines) this.#read(line)
  }

  /** Reads along with a stream, as `process.stdout`, until `assertClean()`. */
  watch(stream: NodeJS.WritableStream): this {
    const write = stream.write
    stream.write = ((chunk: string, ...rest: [never, never]) => {
      this.write(typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString())
      return write.call(stream, chunk, ...rest)
    }) as typeof stream.write
    this.#unwatch.push(() => {
      stream.write = write
    })
    return this
  }

  /** What was found until now. */
  get leaks(): readonly LogLeak[] {
    return this.#leaks
  }

  /**
   * To be called at the end of the test, or after all.
   *
   * @throws {LogLeakError} when something personal was found; and when there was no line at all, which proves nothing.
   */
  assertClean(): void {
    for (const unwatch of this.#unwatch.splice(0)) unwatch()
    if (this.#rest !== '') this.write('\n')
    if (this.#lines === 0) throw new LogLeakError('The guard has seen no line. Is it where the logs go?')
    const [first, ...more] = this.#leaks
    if (first === undefined) return
    const others = more.length === 0 ? '' : ` And ${more.length} more.`
    throw new LogLeakError(`A log has a ${first.kind} in it: ${first.line.slice(0, 500)}${others}`, { details: { leaks: this.#leaks } })
  }

  #read(line: string): void {
    if (line.trim() === '') return
    this.#lines += 1
    let shown = this.#redactor.text(line)
    const found = [...this.#redactor.kindsIn(line)]
    const fields = this.#fieldsIn(line)
    found.push(...fields.map((field) => `value of “${field}”`))
    for (const text of this.#absent) {
      if (!line.includes(text) && !line.includes(JSON.stringify(text).slice(1, -1))) continue
      found.push('text that must not be there')
      shown = shown.replaceAll(text, '[…]')
    }
    // The value of a field is not told again; that it was there, is.
    if (fields.length > 0) shown = JSON.stringify(this.#redactor.value(JSON.parse(line)))
    for (const kind of found) this.#leaks.push({ kind, line: shown })
  }

  /** Fields with personal names that hold something, in a line of JSON. */
  #fieldsIn(line: string): readonly string[] {
    if (!line.startsWith('{')) return []
    const found: string[] = []
    try {
      JSON.parse(line, (name, value: unknown) => {
        const holds = value !== null && value !== '' && typeof value !== 'boolean' && value !== '[redacted]'
        if (holds && this.#redactor.isPersonal(name)) found.push(name)
        return value
      })
    } catch {
      return []
    }
    return found
  }
}

/** A guard of the logs of a test. */
export function logGuard(options?: LogGuardOptions): LogGuard {
  return new LogGuard(options)
}
