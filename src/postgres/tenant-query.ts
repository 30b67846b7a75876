// The forms in which pg takes a query, read into one statement; and one result turned back into pg's own.

import { LRUCache } from 'lru-cache'
import pg from 'pg'
import { CallbackRefusedError, InvalidInputError, SubmittableRefusedError } from '../errors.ts'
import type { Statement } from './lease.ts'
import type { QueryResult, TypeParsers } from './result.ts'

/** A statement with the name that the caller gave it. */
export interface NamedStatement extends Statement {
  readonly name: string | undefined
}

/** What pg's `query` takes as an object. Checked at run time: ORMs in plain JavaScript write it too. */
interface QueryConfig {
  readonly text?: unknown
  readonly values?: unknown
  readonly name?: unknown
  readonly rowMode?: unknown
  readonly types?: TypeParsers | undefined
  readonly query_timeout?: number | undefined
  readonly binary?: unknown
  readonly rows?: unknown
}

/** Names kept, of which the least recently used is forgotten for a new one. */
const namesMax = 5_000

/**
 * Throws at once, for there is nobody to hand a rejected promise to.
 *
 * @throws {CallbackRefusedError} for a callback in any place.
 * @throws {SubmittableRefusedError} for a cursor, a COPY stream, or another object with `submit`.
 */
export function refuseForeignForms(method: string, args: readonly unknown[]): void {
  const first = args[0]
  if (typeof first === 'object' && first !== null) {
    if (typeof (first as { submit?: unknown }).submit === 'function') {
      throw new SubmittableRefusedError(
        `${method}() was given an object with submit(): a cursor, a query stream or a COPY stream. It would write to the connection by itself, past the lease. Read with tx.stream() inside tenancy.transaction(fn); write with createMany().`,
      )
    }
    if (typeof (first as { callback?: unknown }).callback === 'function') throw callbackRefused(method)
  }
  if (args.some((arg) => typeof arg === 'function')) throw callbackRefused(method)
}

function callbackRefused(method: string): CallbackRefusedError {
  return new CallbackRefusedError(
    `${method}() was given a callback. It would run in the context of whoever released the connection, which may be another tenant's. Use the promise that ${method}() returns.`,
  )
}

/**
 * The statements that one pool or client has named. A name stands for one text, as in pg; what is prepared on a connection
 * goes by the text alone.
 */
export class StatementNames {
  readonly #texts = new LRUCache<string, string>({ max: namesMax })

  /**
   * Reads `(text)`, `(text, values)`, `({ text, values, … })` and `({ … }, values)`.
   *
   * @throws {InvalidInputError} when it is none of them, or a name stands for another text.
   */
  read(query: unknown, values: unknown, types: TypeParsers | undefined): NamedStatement {
    if (typeof query === 'string') return { text: query, values: asValues(values), types, name: undefined }
    if (typeof query !== 'object' || query === null) {
      throw new InvalidInputError(`A query must be a text or an object with one; it is ${query === null ? 'null' : typeof query}.`)
    }
    const config = query as QueryConfig
    if (config.binary) throw new InvalidInputError('binary results are not supported: rows are read as text, into the same values.')
    if (config.rows) throw new InvalidInputError('A row limit is not supported: use tx.stream() inside tenancy.transaction(fn).')
    return {
      name: config.name === undefined || config.name === '' ? undefined : String(config.name),
      text: this.#textOf(config),
      values: asValues(values ?? config.values),
      rowMode: config.rowMode === 'array' ? 'array' : undefined,
      types: config.types ?? types,
      timeoutMs: config.query_timeout || undefined,
    }
  }

  /** Remembers a name, once its statement has run. */
  keep({ name, text }: NamedStatement): void {
    if (name !== undefined) this.#texts.set(name, text)
  }

  #textOf({ text, name }: QueryConfig): string {
    const known = typeof name === 'string' && name !== '' ? this.#texts.get(name) : undefined
    if (text === undefined || text === null || text === '') {
      if (known !== undefined) return known
      if (text === '') return text
      throw new InvalidInputError('A query must have either text or a name. Supplying neither is unsupported.')
    }
    if (typeof text !== 'string') throw new InvalidInputError(`A query's text must be a string; it is of type ${typeof text}.`)
    if (known !== undefined && known !== text) {
      throw new InvalidInputError(`Prepared statements must be unique: ${JSON.stringify(name)} was used for a different statement.`)
    }
    return text
  }
}

function asValues(values: unknown): readonly unknown[] | undefined {
  if (values === undefined || values === null) return undefined
  if (!Array.isArray(values)) throw new InvalidInputError('Query values must be an array.')
  return values
}

/** The result as pg gives it: an instance of its own class, with the same fields. */
export function asPgResult(found: QueryResult<unknown>, rowMode: 'array' | undefined): pg.QueryResult {
  const result = new pg.Result(rowMode ?? '', pg.types) as pg.QueryResult
  // pg keeps the first word of the tag, and has none for an empty statement.
  const [command] = found.command.split(' ', 1)
  Object.assign(result, { command: command || null, rowCount: found.rowCount, oid: found.oid })
  result.rows = found.rows as pg.QueryResultRow[]
  // The list is kept with the prepared statement: a caller may change only a copy.
  result.fields = found.fields.slice()
  return result
}

/** The result of a command that was not sent: it has no rows. */
export function commandResult(command: string): pg.QueryResult {
  return asPgResult({ command, rowCount: null, oid: null, rows: [], fields: [] }, undefined)
}
