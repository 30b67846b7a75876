// A place among pooled tenants of one test database: as much of it as operations need.

import { mainPlacement } from '../../src/core/placement.ts'
import type { PlacedTenant, PlacementAdapter, PurgeCount } from '../../src/core/placement-adapter.ts'
import type { ControlConnection } from '../../src/postgres/control-pool.ts'

/** @param superuser sees every row: what it counts is the truth. */
export function pooledPlace(migrator: ControlConnection, superuser: ControlConnection, tables: readonly string[]): PlacementAdapter {
  const setGate = async ({ id }: PlacedTenant, state: string): Promise<void> => {
    await migrator.query('select partywall.set_gate($1::uuid, $2)', [id, state])
  }
  const count = async (table: string, id: string): Promise<number> => {
    const [row] = await superuser.query<{ count: string }>(`select count(*) as count from ${table} where tenant_id = $1`, [id])
    return Number(row?.count)
  }
  const remains = async ({ id }: PlacedTenant): Promise<readonly PurgeCount[]> => {
    const rows = await Promise.all(tables.map(async (table) => ({ kind: 'rows', where: table, count: await count(table, id) })))
    return [...rows, { kind: 'gate', where: 'main', count: await count('partywall.gates', id) }].filter((each) => each.count > 0)
  }
  return {
    isolation: 'pooled',
    place: async () => mainPlacement,
    provision: async () => {},
    setGate,
    endStatements: async () => 0,
    describe: async ({ placement, region }) => ({ placement, region, version: undefined, gate: undefined, tables: [] }),
    verify: async () => [],
    empty: async ({ id }, options = {}) => {
      const removed: PurgeCount[] = []
      for (const table of tables) {
        for (let batch = 1; batch > 0; ) {
          const text = `delete from ${table} where ctid = any (array(select ctid from ${table} where tenant_id = $1 limit $2)) returning 1`
          batch = (await superuser.query(text, [id, options.batchRows ?? 5_000])).length
          if (batch > 0) removed.push({ kind: 'rows', where: table, count: batch })
          if (batch > 0) options.onProgress?.({ kind: 'rows', where: table, count: batch })
        }
      }
      return removed
    },
    drop: async ({ id }) => {
      const gone = await superuser.query('delete from partywall.gates where tenant_id = $1 returning 1', [id])
      return gone.length === 0 ? [] : [{ kind: 'gate', where: 'main', count: 1 }]
    },
    remains,
  }
}
