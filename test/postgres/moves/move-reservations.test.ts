// What is chosen and kept for a move, before and while it goes on; and migrations, which wait for it.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { Isolation } from '../../../src/core/placement.ts'
import type { PlacedTenant } from '../../../src/core/placement-adapter.ts'
import { CapacityError, MoveRefusedError, OperationInProgressError, RegionMismatchError } from '../../../src/errors.ts'
import { MovePlaces } from '../../../src/postgres/moves/move-places.ts'
import { withoutMoves } from '../../../src/postgres/moves/moves-lock.ts'
import {
  arriveAt,
  begin,
  end,
  fence,
  inCatalog,
  made,
  moving,
  other,
  places,
  raise,
  registerServer,
  requestTo,
} from '../../support/moving.ts'
import { plainMigrations, tables } from '../../support/plain-migrations.ts'

describe('reservations of moves', () => {
  before(raise)
  after(() => made.strike())

  test('a target is refused that is the place itself, of another kind, or in another region; and one without room', async () => {
    const [pooled, schema, database] = [await made.tenant('pooled'), await made.tenant('schema'), await made.tenant('database')]
    const ask = (tenant: PlacedTenant, isolation: Isolation, where: { server?: string; database?: string } = {}) =>
      places.reserve(tenant, { moveId: randomUUID(), isolation, ...where })
    await assert.rejects(ask(pooled, 'pooled', { database: pooled.placement.database }), MoveRefusedError)
    await assert.rejects(ask(schema, 'schema', { database: schema.placement.database }), MoveRefusedError)
    await assert.rejects(ask(database, 'database', { server: database.placement.server }), MoveRefusedError)
    await assert.rejects(ask(await made.tenant('server'), 'server'), MoveRefusedError)
    await assert.rejects(ask(pooled, 'schema', { database: 'main' }), MoveRefusedError)
    await assert.rejects(ask(pooled, 'schema', { database: 'nowhere' }), MoveRefusedError)
    await assert.rejects(ask(pooled, 'database', { database: database.placement.database }), MoveRefusedError)
    await assert.rejects(ask({ ...pooled, placement: schema.placement }, 'database'), MoveRefusedError)
    const abroad = await registerServer(false, 'abroad')
    await assert.rejects(ask(pooled, 'server', { server: abroad }), RegionMismatchError)
    await assert.rejects(ask(pooled, 'database', { server: abroad }), RegionMismatchError)
    const [far] = await inCatalog<{ name: string }>(
      `insert into partywall.databases (name, server_name, database_name, holds, state) values ('far', $1, 'far', 'schema', 'ready') returning name`,
      [abroad],
    )
    await assert.rejects(ask(pooled, 'schema', { database: far!.name }), RegionMismatchError)
    await inCatalog(`delete from partywall.databases where name = 'far'`)
    await assert.rejects(ask(pooled, 'server', { server: 'main' }), CapacityError)
    const held = await inCatalog<{ count: number }>(
      `select (select count(*) from partywall.databases where move_id is not null and tenant_id = $1)::int as count`,
      [pooled.id],
    )
    assert.equal(held[0]!.count, 0)
  })

  test('the last room is given away once, to whoever lives there or is about to', async () => {
    const [first, second] = [await made.tenant('pooled'), await made.tenant('pooled')]
    const moveId = randomUUID()
    const [now] = await inCatalog<{ taken: number }>(
      `select ((select count(*) from partywall.tenants as t where t.database_name = $1) + (select count(*) from partywall.pooled_reservations as p where p.database_name = $1))::int as taken`,
      [other.pooled],
    )
    await inCatalog('update partywall.databases set tenants_max = $2 where name = $1', [other.pooled, now!.taken + 1])
    try {
      assert.equal((await places.reserve(first, { moveId, isolation: 'pooled' })).database, other.pooled)
      await assert.rejects(places.reserve(second, { moveId: randomUUID(), isolation: 'pooled' }), CapacityError)
      await places.unreserve(first, moveId)
      const again = randomUUID()
      assert.equal((await places.reserve(second, { moveId: again, isolation: 'pooled' })).database, other.pooled)
      await places.unreserve(second, again)
    } finally {
      await inCatalog('update partywall.databases set tenants_max = 100 where name = $1', [other.pooled])
    }
  })

  test('stock is used, and goes back when the move is not begun', async () => {
    const { stock } = made.placements
    await stock.fill({ isolation: 'schema', region: 'default', count: 1 })
    await stock.fill({ isolation: 'database', region: 'default', count: 1 })
    const tenant = await made.tenant('pooled')
    for (const isolation of ['schema', 'database'] as const) {
      const before = await stock.count({ isolation, region: 'default' })
      const moveId = randomUUID()
      await places.reserve(tenant, { moveId, isolation })
      assert.equal(await stock.count({ isolation, region: 'default' }), before - 1)
      await places.unreserve(tenant, moveId)
      assert.equal(await stock.count({ isolation, region: 'default' }), before)
      // One that was begun is not unreserved, but released.
      const there = await moving(tenant, { moveId: randomUUID(), isolation })
      assert.deepEqual(await made.placements.for(isolation).verify(there), [])
      const [row] = await inCatalog<{ id: string }>(
        'select m.id from partywall.moves as m where m.tenant_id = $1 and m.finished_at is null',
        [tenant.id],
      )
      await places.unreserve(tenant, row!.id)
      assert.deepEqual((await made.placements.for(isolation).describe(there)).gate, 'moved')
      await places.releasePlace(tenant, there.placement, { behindFence: fence })
      assert.deepEqual(await made.placements.for(isolation).remains(there), [])
      await end(row!.id)
    }
  })

  test('a schema that was taken from the stock and not touched goes back there when the move is cancelled', async () => {
    const { stock } = made.placements
    await stock.fill({ isolation: 'schema', region: 'default', count: 1 })
    const tenant = await made.tenant('pooled')
    const moveId = randomUUID()
    const target = await places.reserve(tenant, { moveId, isolation: 'schema' })
    await begin(tenant, target, moveId)
    const before = await stock.count({ isolation: 'schema', region: 'default' })
    await places.releasePlace(tenant, target, { behindFence: fence })
    assert.equal(await stock.count({ isolation: 'schema', region: 'default' }), before + 1)
    const next = await made.tenant('schema')
    assert.deepEqual(await made.placements.for('schema').verify(next), [])
  })

  test('what a process reserved that died before it began is reaped, and nothing else', async () => {
    const [tenant, mover] = [await made.tenant('pooled'), await made.tenant('pooled')]
    const there = await moving(mover, { moveId: randomUUID(), isolation: 'schema' })
    const ids = await Promise.all(
      (['pooled', 'schema', 'database'] as const).map(async (isolation) => {
        const moveId = randomUUID()
        await places.reserve(tenant, { moveId, isolation })
        return moveId
      }),
    )
    assert.deepEqual((await places.reap()).length, 0)
    // As if it were long ago.
    await made.catalog.superuser.query(
      'alter table partywall.schemas disable trigger user; alter table partywall.databases disable trigger user',
    )
    for (const places of ['schemas', 'databases']) {
      await made.catalog.superuser.query(
        `update partywall.${places} set updated_at = updated_at - interval '1 hour' where move_id is not null`,
      )
    }
    await made.catalog.superuser.query(`update partywall.pooled_reservations set created_at = created_at - interval '1 hour'`)
    await made.catalog.superuser.query(
      'alter table partywall.schemas enable trigger user; alter table partywall.databases enable trigger user',
    )
    const reaped = await places.reap()
    assert.ok(reaped.length >= 3)
    const left = await inCatalog<{ id: string }>(
      `select d.move_id as id from partywall.databases as d where d.move_id = any ($1::uuid[])
        union all select o.move_id from partywall.schemas as o where o.move_id = any ($1::uuid[])
        union all select p.move_id from partywall.pooled_reservations as p where p.move_id = any ($1::uuid[])`,
      [ids],
    )
    assert.deepEqual(left, [])
    assert.equal((await made.placements.for('schema').describe(there)).gate, 'moved')
  })

  test('a target is not made for tables that are not at the newest migration', async () => {
    const newer = new MovePlaces(
      made.with(plainMigrations([...tables, 'create table later (id int); alter table later enable row level security'])),
    )
    const tenant = await made.tenant('database')
    const moveId = randomUUID()
    const target = await newer.reserve(tenant, { moveId, isolation: 'schema' })
    await assert.rejects(newer.provisionTarget(tenant, target, { fence }), (error: Error) => {
      assert.ok(error instanceof MoveRefusedError)
      assert.match(error.message, /0002.*0003.*partywall migrate up/s)
      return true
    })
    await newer.unreserve(tenant, moveId)
  })

  test('a tenant that moves has one place in the list of those that are migrated, and its region cannot change under it', async () => {
    const tenant = await made.tenant('database')
    const there = await moving(tenant, requestTo('database', tenant))
    const listed = async (): Promise<readonly string[]> =>
      (
        await inCatalog<{ name: string }>('select p.database_name as name from partywall.places as p where p.tenant_id = $1', [tenant.id])
      ).map(({ name }) => name)
    assert.deepEqual(await listed(), [tenant.placement.database])
    await assert.rejects(inCatalog(`update partywall.servers set region = 'abroad' where name = $1`, [there.placement.server]), {
      code: 'PW011',
    })
    await arriveAt(tenant, there.placement)
    assert.deepEqual(await listed(), [there.placement.database])
    await assert.rejects(inCatalog(`update partywall.servers set region = 'abroad' where name = $1`, [there.placement.server]), {
      code: 'PW011',
    })
  })

  test('shared tables are not migrated while somebody moves from or to them, and the move is named', async () => {
    const tenant = await made.tenant('pooled')
    const migrate = (): Promise<string> => made.connections.asMigrator('main', (control) => withoutMoves(control, async () => 'migrated'))
    await inCatalog(`update partywall.moves set state = 'done', finished_at = clock_timestamp() where finished_at is null`)
    assert.equal(await migrate(), 'migrated')
    const moveId = randomUUID()
    await begin(tenant, await places.reserve(tenant, { moveId, isolation: 'schema' }), moveId)
    await assert.rejects(migrate(), (error: Error) => error instanceof OperationInProgressError && error.message.includes(moveId))
    await end(moveId)
    assert.equal(await migrate(), 'migrated')
  })

  test('a move waits to begin until shared tables are migrated', async () => {
    const tenant = await made.tenant('pooled')
    const moveId = randomUUID()
    const target = await places.reserve(tenant, { moveId, isolation: 'schema' })
    let begun: Promise<void> | undefined
    const order: string[] = []
    await made.connections.asMigrator('main', (control) =>
      withoutMoves(control, async () => {
        begun = begin(tenant, target, moveId).then(() => void order.push('begun'))
        for (;;) {
          const waiting = await made.catalog.superuser.query(
            `select from pg_locks as l where l.locktype = 'advisory' and not l.granted and l.objid = 7305804409 % 4294967296`,
          )
          if (waiting.length > 0) break
        }
        order.push('migrated')
      }),
    )
    await begun
    assert.deepEqual(order, ['migrated', 'begun'])
    await end(moveId)
  })
})
