// What clients saw: each operation's beginning and its end, with the time by the machine's monotonic clock, which all processes share.
// A process writes its lines at once, so that a kill loses none: what has begun and has no end is unknown.

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

/** `family`: a parent with its children and an increment, in one transaction. `read`: all registers and counters, in one statement. */
export type Kind = 'insert' | 'increment' | 'update' | 'family' | 'read'

export interface Begun {
  readonly id: string
  readonly tenant: string
  readonly kind: Kind
  readonly writer: string
  readonly seq: number
  /** How many children a family has. */
  readonly size?: number | undefined
}

/** `failed`: an error said that nothing had happened. `unknown`: it may have. */
export type Outcome = 'acknowledged' | 'failed' | 'unknown'

export interface Operation extends Begun {
  readonly outcome: Outcome
  /** Nanoseconds. */
  readonly begunAt: bigint
  /** Infinity, as it were, of what is unknown: it may take effect at any time. */
  readonly endedAt: bigint | undefined
  /** Of a read: values by name. */
  readonly seen?: Readonly<Record<string, number>> | undefined
  readonly error?: string | undefined
}

type Line =
  | { readonly at: string; readonly begun: Begun }
  | {
      readonly at: string
      readonly ended: string
      readonly outcome: Outcome
      readonly seen?: Operation['seen']
      readonly error?: string | undefined
    }

export class HistoryWriter {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  begin(begun: Begun): void {
    this.#write({ at: now(), begun })
  }

  end(id: string, outcome: Outcome, told: { readonly seen?: Operation['seen']; readonly error?: string } = {}): void {
    this.#write({ at: now(), ended: id, outcome, ...told })
  }

  close(): void {
    closeSync(this.#file)
  }

  #write(line: Line): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`)
  }
}

export function readHistory(paths: readonly string[]): readonly Operation[] {
  const operations = new Map<string, Operation>()
  for (const path of paths) {
    const lines = readFileSync(path, 'utf8').split('\n')
    // The last one is empty, or was cut by a kill.
    for (const text of lines.slice(0, -1)) {
      const line = JSON.parse(text) as Line
      if ('begun' in line) {
        operations.set(line.begun.id, { ...line.begun, outcome: 'unknown', begunAt: BigInt(line.at), endedAt: undefined })
        continue
      }
      const begun = operations.get(line.ended)
      if (begun === undefined) throw new RangeError(`${path}: ${line.ended} ended and never began`)
      const { outcome, seen, error } = line
      operations.set(line.ended, { ...begun, outcome, seen, error, endedAt: outcome === 'acknowledged' ? BigInt(line.at) : undefined })
    }
  }
  return [...operations.values()]
}

function now(): string {
  return process.hrtime.bigint().toString()
}
