// One flush: a few statements, one socket write, one Sync. Everything up to the Sync is one implicit transaction, so
// "bind the tenant" and "run the statement" need no BEGIN and no COMMIT, and a failed bind skips the statement.
// https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
//
// A flush is a Submittable of pg: pg's client writes it when its turn comes and hands it every message of the answer.

import type pg from 'pg'
import { type CommandTag, type RowShape, readArrayRow, readCommandTag, readObjectRow, rowShape, type TypeParsers } from './result.ts'

/** How a step ends. */
export interface StepResult extends CommandTag {
  readonly rows: unknown[]
  readonly fields: pg.FieldDef[]
  /** A portal with a row limit stopped before its end. */
  readonly isSuspended: boolean
}

/** One statement inside a flush, and what to do with its rows. */
export interface FlushStep {
  /** The shape of its rows, if known: then the server is not asked to describe them again. */
  shape: RowShape | undefined
  readonly types: TypeParsers | undefined
  readonly rowMode: 'object' | 'array'
  /** Told the shape when the server describes it. */
  readonly onShape: ((shape: RowShape) => void) | undefined
  /** Steps of ours (BEGIN, bind) whose rows are looked at by `onText` and not kept. */
  readonly onText: ((values: readonly (string | null)[]) => void) | undefined
}

interface DescribedMessage {
  readonly fields: pg.FieldDef[]
}

interface RowMessage {
  readonly fields: readonly (string | null)[]
}

interface CompleteMessage {
  readonly text: string
}

/** pg's connection, as a Submittable sees it. */
export interface WireConnection {
  readonly stream: { write(buffer: Buffer): boolean }
  sendCopyFail(reason: string): void
}

const noFields: pg.FieldDef[] = []
const noRows: RowShape = { fields: noFields, names: [], parsers: [] }

/** Told once, when the server is ready again, or when the connection is gone. `flush` is undefined if it was never sent. */
export type FlushDone = (error: Error | undefined, flush: Flush | undefined) => void

export class Flush {
  /** Where pg's client looks for a callback of its own; ours is `#done`. */
  callback: undefined
  readonly #buffer: Buffer
  readonly #steps: readonly FlushStep[]
  readonly #done: FlushDone
  readonly #last: number
  #current = 0
  #rows: unknown[] = []
  #result: StepResult | undefined
  #rowError: Error | undefined

  constructor(buffer: Buffer, steps: readonly FlushStep[], done: FlushDone) {
    this.#buffer = buffer
    this.#steps = steps
    this.#last = steps.length - 1
    this.#done = done
  }

  /** The result of the last step: the caller's own statement. */
  get result(): StepResult | undefined {
    return this.#result
  }

  /** How many steps the server has completed. */
  get completed(): number {
    return this.#current
  }

  submit(connection: WireConnection): null {
    connection.stream.write(this.#buffer)
    return null
  }

  handleRowDescription(message: DescribedMessage): void {
    const step = this.#steps[this.#current]!
    step.shape = rowShape(message.fields, step.types)
    step.onShape?.(step.shape)
  }

  handleDataRow(message: RowMessage): void {
    const step = this.#steps[this.#current]!
    if (step.onText !== undefined) {
      step.onText(message.fields)
      return
    }
    if (this.#rowError !== undefined) return
    const shape = step.shape!
    try {
      this.#rows.push(step.rowMode === 'object' ? readObjectRow(shape, message.fields) : readArrayRow(shape, message.fields))
    } catch (error) {
      // A type parser of the application's threw. The rest of the answer must still be read.
      this.#rowError = error instanceof Error ? error : new TypeError(String(error))
    }
  }

  handleCommandComplete(message: CompleteMessage): void {
    const step = this.#steps[this.#current]!
    // Described, and without rows: that is known from now on too.
    if (step.shape === undefined) step.onShape?.(noRows)
    if (this.#current === this.#last) this.#finishStep(readCommandTag(message.text), false)
    this.#current += 1
  }

  handleEmptyQuery(): void {
    this.#finishStep({ command: '', rowCount: null, oid: null }, false)
    this.#current += 1
  }

  handlePortalSuspended(): void {
    this.#finishStep({ command: 'SELECT', rowCount: this.#rows.length, oid: null }, true)
    this.#current += 1
  }

  handleReadyForQuery(): void {
    this.#done(this.#rowError, this)
  }

  handleError(error: Error): void {
    this.#done(error, this)
  }

  handleCopyInResponse(connection: WireConnection): void {
    connection.sendCopyFail('COPY is refused inside the wall')
  }

  handleCopyData(): void {
    // COPY TO was refused before it was sent; were it to come this far, its data is dropped.
  }

  #finishStep(tag: CommandTag, isSuspended: boolean): void {
    const fields = this.#steps[this.#current]?.shape?.fields ?? noFields
    this.#result = { command: tag.command, rowCount: tag.rowCount, oid: tag.oid, rows: this.#rows, fields, isSuspended }
  }
}
