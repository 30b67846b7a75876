// Tenants on the move, for tests of their places: a fleet with two places of each kind, and what a mover does beside the copying.

import { randomBytes, randomUUID } from 'node:crypto'
import type { Isolation, Placement } from '../../src/core/placement.ts'
import type { GateState, PlacedTenant } from '../../src/core/placement-adapter.ts'
import { arrive } from '../../src/postgres/moves/arrive.ts'
import { MovePlaces } from '../../src/postgres/moves/move-places.ts'
import { type Fleet, fleet } from './fleet.ts'
import { plainMigrations } from './plain-migrations.ts'

/** Of the moves in tests: none was there before. */
export const fence = 1

export let made: Fleet
export let places: MovePlaces
/** Another place of each kind. */
export let other: { readonly pooled: string; readonly schemas: string; readonly server: string }

export async function inCatalog<Row extends object>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
  return await made.connections.asMigrator('main', (control) => control.query<Row>(text, values))
}

export async function fill(tenant: PlacedTenant, notes = 7): Promise<void> {
  await made.as(tenant, async (connection) => {
    const [folder] = await connection.query<{ id: string }>(`insert into folders (name) values ('a folder') returning id`)
    let parent: string | null = null
    for (let i = 0; i < notes; i++) {
      const [note]: readonly { id: string }[] = await connection.query(
        'insert into notes (folder_id, parent_id, title) values ($1, $2, $3) returning id',
        [folder!.id, parent, `note ${i}`],
      )
      parent = note!.id
    }
    await connection.query('insert into events (id) values (1), (200)')
  })
}

export async function notesOf(tenant: PlacedTenant): Promise<number> {
  const [row] = await made.as(tenant, (connection) => connection.query<{ count: number }>('select count(*)::int as count from notes'))
  return row!.count
}

/** Of a move to another place of the same kind, which has to be named where it is not chosen. */
export function requestTo(isolation: Isolation, { placement }: PlacedTenant) {
  const server = isolation === 'server' && placement.isolation === 'server' ? { server: other.server } : {}
  return { moveId: randomUUID(), isolation, ...server }
}

export async function begin({ id, placement }: PlacedTenant, target: Placement, moveId: string): Promise<void> {
  await inCatalog(
    `insert into partywall.moves (id, tenant_id, source, target, fence, actor_kind, actor_id, reason)
     values ($1, $2, $3::jsonb, $4::jsonb, ${fence}, 'system', 'test', 'A test.')`,
    [moveId, id, JSON.stringify(placement), JSON.stringify(target)],
  )
}

export async function end(moveId: string): Promise<void> {
  await inCatalog(`update partywall.moves set state = 'done', finished_at = clock_timestamp() where id = $1`, [moveId])
}

/** As a mover leaves a gate. */
export async function gateIs({ id, placement }: PlacedTenant, state: GateState): Promise<void> {
  await made.alice(placement, 'update partywall.gates set state = $2 where tenant_id = $1', [id, state])
  await made.alice(placement, 'update partywall.capabilities set state = $2 where tenant_id = $1', [id, state])
}

export async function arriveAt({ id }: PlacedTenant, to: Placement): Promise<void> {
  await made.connections.asMigrator('main', (control) => control.transaction((connection) => arrive(connection, id, to)))
}

/** Reserved, begun and made. */
export async function moving(tenant: PlacedTenant, request: Parameters<MovePlaces['reserve']>[1]): Promise<PlacedTenant> {
  const target = await places.reserve(tenant, request)
  await begin(tenant, target, request.moveId)
  await places.provisionTarget(tenant, target, { fence })
  return { ...tenant, placement: target }
}

export async function registerServer(shared: boolean, region = 'default'): Promise<string> {
  const name = await made.placements.site.provisioner!.acquire({ tenantId: undefined, region, labels: {} })
  if (shared) await inCatalog('update partywall.servers set tenants_max = null where name = $1', [name])
  return name
}

async function makePooled(): Promise<string> {
  const name = `pw_pooled_${randomBytes(6).toString('hex')}`
  await made.placements.schemaDatabases.create({ server: 'main', name })
  const migrations = plainMigrations()
  await made.connections.asMigrator(name, (control) => migrations.applyAll(control, 'app'))
  await inCatalog(`update partywall.databases set holds = 'pooled', version = $2, tenants_max = 100 where name = $1`, [
    name,
    migrations.version,
  ])
  return name
}

/** Call it in `before`, and `made.strike()` in `after`. */
export async function raise(): Promise<void> {
  made = await fleet()
  places = new MovePlaces(made.placements)
  const schemas = `pw_schemas_${randomBytes(6).toString('hex')}`
  await made.placements.schemaDatabases.create({ server: 'main', name: schemas })
  await registerServer(true)
  other = { pooled: await makePooled(), schemas, server: await registerServer(false) }
}
