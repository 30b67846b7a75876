// How a transaction runs, as its callers say it.

import { InvalidInputError } from '../errors.ts'
import type { QueryOptions } from './lease.ts'

export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable'

export interface TransactionOptions {
  /** Default: the database's, normally read committed. */
  readonly isolation?: IsolationLevel | undefined
  readonly readOnly?: boolean | undefined
  /** With `serializable` and `readOnly`: waits for a snapshot that cannot fail. */
  readonly deferrable?: boolean | undefined
  /** The longest that the whole transaction may be open, from its first statement, in milliseconds. Default 60,000; at most 3,000,000. */
  readonly timeoutMs?: number | undefined
  /** Cancels what runs, rolls back, and gives up the connection. */
  readonly signal?: AbortSignal | undefined
}

/** How a result is read in pieces. */
export interface StreamOptions extends QueryOptions {
  /** Rows fetched at a time. Default 500; 1 to 10,000. */
  readonly batchSize?: number | undefined
}

const timeoutMsDefault = 60_000
const timeoutMsMax = 3_000_000

/** How long the transaction may be open. @throws {InvalidInputError} */
export function timeoutOf({ timeoutMs = timeoutMsDefault }: TransactionOptions): number {
  if (timeoutMs > 0 && timeoutMs <= timeoutMsMax) return timeoutMs
  throw new InvalidInputError(`timeoutMs is ${timeoutMs}; a transaction may be open for 1 to ${timeoutMsMax} ms.`)
}

/** What stands behind BEGIN. @throws {InvalidInputError} */
export function beginModes(options: TransactionOptions): string {
  const modes: string[] = []
  if (options.isolation !== undefined) {
    if (!['read committed', 'repeatable read', 'serializable'].includes(options.isolation)) {
      throw new InvalidInputError(
        `isolation is ${JSON.stringify(options.isolation)}; it may be read committed, repeatable read or serializable.`,
      )
    }
    modes.push(`isolation level ${options.isolation}`)
  }
  if (options.readOnly === true) modes.push('read only')
  if (options.deferrable === true) modes.push('deferrable')
  return modes.join(' ')
}
