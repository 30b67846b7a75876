// One flush: a few statements, one socket write, one Sync. Everything up to the Sync is one implicit transaction, so
// "bind the tenant" and "run the statement" need no BEGIN and no COMMIT, and a failed bind skips the statement.
// https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY

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
  /** Steps of ours (BEGIN, bind) keep no rows; of the first column they are told whether it holds anything. */
  readonly onOwnRow: ((isFirstValueEmpty: boolean) => void) | undefined
}

/** A step of ours whose rows, if any, nobody reads. */
export const ownStep: FlushStep = Object.freeze({
  shape: undefined,
  types: undefined,
  rowMode: 'array',
  onShape: undefined,
  onOwnRow: () => {},
})

const noFields: pg.FieldDef[] = []
const noRows: RowShape = { fields: noFields, names: [], parsers: [] }

/** Told once, when the server is ready again, or when the connection is gone. `flush` is undefined if it was never sent. */
export type FlushDone = (error: Error | undefined, flush: Flush | undefined) => void

/** The answers to one flush, as they come. */
export class Flush {
  readonly #steps: readonly FlushStep[]
  readonly #last: number
  #current = 0
  #rows: unknown[] = []
  #result: StepResult | undefined
  #rowError: Error | undefined

  constructor(steps: readonly FlushStep[]) {
    this.#steps = steps
    this.#last = steps.length - 1
  }

  /** The result of the last step: the caller's own statement. */
  get result(): StepResult | undefined {
    return this.#result
  }

  /** Does it end with a statement of ours (BEGIN, COMMIT, a bind)? */
  get #isOwn(): boolean {
    return this.#steps[this.#last]?.onOwnRow !== undefined
  }

  /** Of a stream that goes on, only the last piece is a statement. */
  get statementsCounted(): number {
    return this.#isOwn || this.#result?.isSuspended === true ? 0 : 1
  }

  /** Returned or changed by the caller's own statement. */
  get rowsCounted(): number {
    return this.#isOwn ? 0 : (this.#result?.rowCount ?? 0)
  }

  /** What a type parser of the application's threw. */
  get rowError(): Error | undefined {
    return this.#rowError
  }

  rowDescription(fields: pg.FieldDef[]): void {
    const step = this.#steps[this.#current]!
    step.shape = rowShape(fields, step.types)
    step.onShape?.(step.shape)
  }

  dataRow(buffer: Buffer, at: number): void {
    const step = this.#steps[this.#current]!
    if (step.onOwnRow !== undefined) {
      step.onOwnRow(buffer.readInt32BE(at + 2) <= 0)
      return
    }
    if (this.#rowError !== undefined) return
    const shape = step.shape!
    try {
      this.#rows.push(step.rowMode === 'object' ? readObjectRow(shape, buffer, at) : readArrayRow(shape, buffer, at))
    } catch (error) {
      // The rest of the answer must still be read.
      this.#rowError = error instanceof Error ? error : new TypeError(String(error))
    }
  }

  commandComplete(buffer: Buffer, from: number, to: number): void {
    const step = this.#steps[this.#current]!
    // Described, and without rows: that is known from now on too.
    if (step.shape === undefined) step.onShape?.(noRows)
    if (this.#current === this.#last) this.#finish(readCommandTag(buffer.toString('latin1', from, to)), false)
    this.#current += 1
  }

  emptyQuery(): void {
    this.#finish({ command: '', rowCount: null, oid: null }, false)
    this.#current += 1
  }

  portalSuspended(): void {
    this.#finish({ command: 'SELECT', rowCount: this.#rows.length, oid: null }, true)
    this.#current += 1
  }

  #finish(tag: CommandTag, isSuspended: boolean): void {
    const fields = this.#steps[this.#current]?.shape?.fields ?? noFields
    this.#result = { command: tag.command, rowCount: tag.rowCount, oid: tag.oid, rows: this.#rows, fields, isSuspended }
  }
}
