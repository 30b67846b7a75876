// The doors to one tenant's data, with the tenant in hand.

import type { TenantContext } from '../core/tenant-context.ts'
import type { Leases, QueryOptions } from './lease.ts'
import type { QueryResult } from './result.ts'
import { TenantTransaction, transaction } from './transaction.ts'
import type { StreamOptions, TransactionOptions } from './transaction-options.ts'

export class TenantHandle {
  readonly context: TenantContext
  readonly #leases: Leases

  constructor(leases: Leases, context: TenantContext) {
    this.#leases = leases
    this.context = context
  }

  /**
   * Runs one statement, in one round trip: admitted fairly, bound to the tenant, committed.
   *
   * @throws {StatementRefusedError} when it may not run inside the wall.
   * @throws {TenantBusyError} {@link OverloadedError} {@link AdmissionTimeoutError} when the queue has no room or time.
   * @throws {StatementTimeoutError} {@link AbortedError} {@link ConnectionLostError} {@link DatabaseUnavailableError}
   * @throws pg's DatabaseError for what is wrong with the SQL itself, e.g. `code` 23505.
   */
  query<Row = Record<string, unknown>>(text: string, values?: readonly unknown[], options?: QueryOptions): Promise<QueryResult<Row>> {
    return this.#leases.query<Row>(this.context, { ...options, text, values })
  }

  /**
   * Runs `fn` in a transaction: COMMIT when it resolves, ROLLBACK when it throws. Nothing is sent before its first statement.
   *
   * @throws what `fn` throws; {@link SerializationError}, after which all of it may be run again; {@link TransactionTimeoutError}.
   */
  async transaction<T>(fn: (tx: TenantTransaction) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    return await transaction(this.#leases, this.context, options, fn)
  }

  /** Reads a large result in pieces of `batchSize` rows, in a read-only transaction of its own. */
  async *stream<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    options: StreamOptions & TransactionOptions = {},
  ): AsyncGenerator<Row, void, void> {
    const { batchSize, rowMode, types, ...rest } = options
    const tx = new TenantTransaction(this.#leases, this.context, { ...rest, readOnly: true })
    let isDone = false
    try {
      yield* tx.stream<Row>(text, values, { batchSize, rowMode, types })
      isDone = true
    } finally {
      // Also when the reader stops early: then nothing is to be kept, and the connection goes back.
      if (!isDone) await tx.rollback()
    }
    await tx.commit()
  }
}
