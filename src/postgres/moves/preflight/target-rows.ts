// Rows of the tenant that are at the target already: the copy would meet them, and be tried again for ever.

import { actFor } from '../../placements/tenant-rows.ts'
import { mayHoldRowsOf, tenantTables } from '../../placements/tenant-tables.ts'
import { inDatabase, type MoveCheck } from '../check.ts'

export const targetRows: MoveCheck = {
  rule: 'target-rows',
  level: 'refuse',
  async check({ target, tenant, connections }) {
    if (!target.isMade) return []
    return await connections.asMigrator(target.placement.database, async (control) => {
      const tables = (await tenantTables(control, { schema: target.ownSchema })).filter(mayHoldRowsOf(tenant.keys))
      if (tables.length === 0) return []
      const text = tables.map(({ name }, i) => `select ${i} as position where exists (select from ${name})`).join(' union all ')
      const rows = await actFor(control, tenant, (connection) => connection.query<{ position: number }>(text))
      return rows.map(({ position }) => ({
        at: inDatabase(target),
        object: tables[position]!.name,
        problem:
          'The target has rows of the tenant already, of a move that was not cleared away or of an earlier life: see whose they are, and empty the place.',
      }))
    })
  },
}
