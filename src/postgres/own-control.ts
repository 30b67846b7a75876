// Statements of ours over the connections of a tenant's own login: there is no gatekeeper in a database that holds one tenant.

import { sharedSchema } from '../core/placement.ts'
import { StatementTimeoutError } from '../errors.ts'
import type { ControlConnection } from './control-pool.ts'
import { translate } from './database-errors.ts'
import type { FlushStep } from './flush.ts'
import type { ConnectionPool } from './pool.ts'
import { toWireValues } from './wire.ts'

/**
 * One statement at a time, on whatever connection is idle: before a lease holds it, or beside the leases.
 *
 * @param timeoutMs After so long the connection is cut. Default: the server's limit alone.
 */
export function ownControl(pool: ConnectionPool, timeoutMs?: number): ControlConnection {
  return {
    async query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
      const connection = pool.takeIdle() ?? (await pool.take())
      const late = timeoutMs === undefined ? undefined : setTimeout(() => void connection.cancelAndDestroy(tooLate(timeoutMs)), timeoutMs)
      try {
        return await new Promise<readonly Row[]>((resolve, reject) => {
          connection.send(
            (writer) => {
              const prepared = connection.prepare(writer, text, sharedSchema)
              writer.bind('', prepared.name, toWireValues(values))
              writer.describe()
              writer.executeAndSync()
              return [objectRows()]
            },
            (error, flush) => {
              if (error === undefined) resolve(flush!.result!.rows as Row[])
              else reject(translate(error, { mayHaveWritten: false }))
            },
          )
        })
      } finally {
        clearTimeout(late)
        pool.give(connection)
      }
    },
  }
}

function tooLate(timeoutMs: number): StatementTimeoutError {
  return new StatementTimeoutError(`The database did not answer within ${timeoutMs} ms. The connection was cut.`)
}

function objectRows(): FlushStep {
  return { shape: undefined, types: undefined, rowMode: 'object', onShape: undefined, onOwnRow: undefined }
}
