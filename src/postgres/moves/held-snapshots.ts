// Both places of a move as they were at one moment: behind a fence, when everything from before it had arrived. Each table is digested
// in both snapshots, at leisure and while the tenant writes on.

import type { PlacedTenant } from '../../core/placement-adapter.ts'
import type { HeldSnapshots, MoveContext, TableDifference } from '../../operations/moves/move-work.ts'
import type { ControlConnection } from '../control-pool.ts'
import { type CopyTable, copyTables } from '../copy/copy-tables.ts'
import { differingRows } from '../copy/differing-rows.ts'
import { type DigestedRows, tableDigest } from '../copy/table-digest.ts'
import type { Endpoint, MoveEnds } from './endpoint.ts'

/** Opens a transaction with a snapshot at both places. Close it. */
export async function holdSnapshots(ends: MoveEnds): Promise<HeldSnapshots> {
  const release = Promise.withResolvers<void>()
  const held = await Promise.all([ends.source, ends.target].map((at) => hold(at, release.promise))).catch((error: unknown) => {
    release.resolve()
    throw error
  })
  const [source, target] = held as [Held, Held]
  return {
    compare: async (context) => await compare(ends, source.connection, target.connection, context),
    close: async () => {
      release.resolve()
      await Promise.allSettled(held.map(({ ended }) => ended))
    },
  }
}

interface Held {
  readonly connection: ControlConnection
  readonly ended: Promise<void>
}

async function hold(at: Endpoint, released: Promise<void>): Promise<Held> {
  const ready = Promise.withResolvers<ControlConnection>()
  const ended = at.transfer.transaction(async (connection) => {
    await connection.query('set transaction isolation level repeatable read, read only')
    // The snapshot is taken by the first statement that reads.
    await connection.query('select txid_current_snapshot()')
    ready.resolve(connection)
    await released
  })
  ended.catch(ready.reject)
  return { connection: await ready.promise, ended }
}

async function compare(
  ends: MoveEnds,
  source: ControlConnection,
  target: ControlConnection,
  { tell, signal }: MoveContext,
): Promise<readonly TableDifference[]> {
  const { tenant } = ends
  const [here, there] = await Promise.all([
    copyTables(source, { ...tenant, placement: ends.source.placement }),
    copyTables(target, { ...tenant, placement: ends.target.placement }),
  ])
  const differences: TableDifference[] = []
  for (const table of here) {
    signal.throwIfAborted()
    tell(`Comparing ${table.name}.`)
    const twin = there.find(({ name }) => name === table.name)
    const [a, b] = [digested(table, tenant), twin && digested(twin, tenant)]
    const [inSource, inTarget] = await Promise.all([tableDigest(source, a), b && tableDigest(target, b)])
    if (inTarget !== undefined && inSource.rows === inTarget.rows && inSource.checksum === inTarget.checksum) continue
    differences.push({
      table: table.name,
      source: { rows: inSource.rows, digest: inSource.checksum },
      target: { rows: inTarget?.rows ?? 0, digest: inTarget?.checksum ?? '' },
      keys: twin === undefined || b === undefined ? [] : await differingKeys([source, a, table], [target, b, twin]),
    })
  }
  return differences
}

/** The policies do not hold for the transfer's login: the tenant is named. */
function digested({ sqlName, copied, tenantColumn, tenantType }: CopyTable, { id, keys }: PlacedTenant): DigestedRows {
  const key = tenantType === 'uuid' ? id : tenantType === 'bigint' ? keys.bigint : keys.text
  return { sqlName, columns: copied, of: { tenantColumn, tenantType, key: String(key) } }
}

type DigestedSide = readonly [ControlConnection, DigestedRows, CopyTable]

/** Of some of the rows, without the tenant's own key. */
async function differingKeys(source: DigestedSide, target: DigestedSide): Promise<readonly string[]> {
  const [left, right] = [source, target].map(([connection, rows, { key, tenantColumn }]) => ({
    connection,
    rows: { ...rows, key: key.filter((column) => column !== tenantColumn) },
  }))
  return (await differingRows(left!, right!)).map(({ key }) => key.join(', '))
}
