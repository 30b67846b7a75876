// One tenant's audit log, read in bulk behind the policies, in whatever placement the tenant is.

import type { AuditRow } from '../../audit/chain.ts'
import type { LogSource, OpenLog } from '../../audit/log-source.ts'
import type { Tenant } from '../../core/tenant.ts'
import type { ControlConnection } from '../control-pool.ts'
import { copyValue, wholeRows } from '../copy/copy-text.ts'
import { openTenantSnapshot } from '../copy/tenant-snapshot.ts'
import type { FleetConnections } from '../fleet-connections.ts'
import { actFor } from '../placements/tenant-rows.ts'
import { quoted } from '../table-shape.ts'

/** Reads and prunes over the migrator's login, which acts for the one tenant. */
export function auditLogReader(connections: Pick<FleetConnections, 'asMigrator'>): LogSource {
  return {
    read: async (tenant, fn, { signal } = {}) =>
      await openTenantSnapshot(connections, tenant, { connections: 1, signal }, async (snapshot) => {
        const table = await snapshot.read(async (connection) => await logOf(connection, tenant))
        if (table === undefined) return undefined
        const log: OpenLog = {
          rows: (from = 1n) =>
            rowsOf(
              snapshot.copyQuery(
                `select l.position, ${atText}, encode(l.hash, 'hex'), l.payload from ${table} as l where l.position >= ${from} order by l.position`,
              ),
            ),
        }
        return await fn(log)
      }),
    head: async (tenant) =>
      await openTenantSnapshot(connections, tenant, { connections: 1 }, async (snapshot) =>
        snapshot.read(async (connection) => {
          const table = await logOf(connection, tenant)
          if (table === undefined) return undefined
          const [row] = await connection.query<{ position: string; at: string; hash: Buffer; payload: string }>(
            `select l.position, ${atText} as at, l.hash, l.payload::text as payload from ${table} as l order by l.position desc limit 1`,
          )
          return row === undefined ? null : { ...row, position: BigInt(row.position) }
        }),
      ),
    prune: async (tenant, upTo, before) =>
      await connections.asMigrator(
        tenant.placement.database,
        async (control) =>
          await actFor(control, tenant, async (connection) => {
            const table = await logOf(connection, tenant)
            if (table === undefined) return 0
            const [row] = await connection.query<{ removed: string }>('select partywall.prune_audit($1, $2, $3, $4) as removed', [
              table,
              tenant.id,
              String(upTo),
              before,
            ])
            return Number(row?.removed ?? 0)
          }),
      ),
  }
}

const atText = `to_char(l.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

async function logOf(connection: ControlConnection, { placement }: Tenant): Promise<string | undefined> {
  const table = `${quoted(placement.schema)}.audit_log`
  const [row] = await connection.query<{ found: boolean }>('select to_regclass($1) is not null as found', [table])
  return row?.found === true ? table : undefined
}

async function* rowsOf(copied: AsyncIterable<Buffer>): AsyncGenerator<readonly AuditRow[]> {
  for await (const block of wholeRows(copied)) {
    yield block
      .toString('utf8', 0, block.length - 1)
      .split('\n')
      .map((line) => {
        const [position, at, hash, payload] = line.split('\t')
        return { position: BigInt(position!), at: at!, hash: Buffer.from(hash!, 'hex'), payload: copyValue(payload!)! }
      })
  }
}
