// The two places of a tenant that moves: between every pair of placements, and to another place of the same kind.

import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { type Isolation, isolations, type Placement } from '../../../src/core/placement.ts'
import type { GateState, PlacedTenant } from '../../../src/core/placement-adapter.ts'
import {
  CapacityError,
  MoveFailedError,
  MoveRefusedError,
  MoveStateError,
  OperationInProgressError,
  RegionMismatchError,
} from '../../../src/errors.ts'
import { arrive } from '../../../src/postgres/moves/arrive.ts'
import { MovePlaces } from '../../../src/postgres/moves/move-places.ts'
import { withoutMoves } from '../../../src/postgres/moves/moves-lock.ts'
import { type Fleet, fleet, Killed } from '../../support/fleet.ts'
import { plainMigrations, tables } from '../../support/plain-migrations.ts'

/** Of the moves here: none was there before. */
const fence = 1

let made: Fleet
let places: MovePlaces
/** Another place of each kind that is shared. */
let other: { readonly pooled: string; readonly schemas: string; readonly server: string }

async function inCatalog<Row extends object>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
  return await made.connections.asMigrator('main', (control) => control.query<Row>(text, values))
}

async function fill(tenant: PlacedTenant, notes = 7): Promise<void> {
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

async function notesOf(tenant: PlacedTenant): Promise<number> {
  const [row] = await made.as(tenant, (connection) => connection.query<{ count: number }>('select count(*)::int as count from notes'))
  return row!.count
}

/** Of a move to another place of the same kind, which has to be named where it is not chosen. */
function requestTo(isolation: Isolation, { placement }: PlacedTenant) {
  const server = isolation === 'server' && placement.isolation === 'server' ? { server: other.server } : {}
  return { moveId: randomUUID(), isolation, ...server }
}

async function begin({ id, placement }: PlacedTenant, target: Placement, moveId: string): Promise<void> {
  await inCatalog(
    `insert into partywall.moves (id, tenant_id, source, target, fence, actor_kind, actor_id, reason)
     values ($1, $2, $3::jsonb, $4::jsonb, ${fence}, 'system', 'test', 'A test.')`,
    [moveId, id, JSON.stringify(placement), JSON.stringify(target)],
  )
}

async function end(moveId: string): Promise<void> {
  await inCatalog(`update partywall.moves set state = 'done', finished_at = clock_timestamp() where id = $1`, [moveId])
}

/** As a mover leaves a gate. */
async function gateIs({ id, placement }: PlacedTenant, state: GateState): Promise<void> {
  await made.alice(placement, 'update partywall.gates set state = $2 where tenant_id = $1', [id, state])
  await made.alice(placement, 'update partywall.capabilities set state = $2 where tenant_id = $1', [id, state])
}

async function arriveAt({ id }: PlacedTenant, to: Placement): Promise<void> {
  await made.connections.asMigrator('main', (control) => control.transaction((connection) => arrive(connection, id, to)))
}

/** Reserved, begun and made. */
async function moving(tenant: PlacedTenant, request: Parameters<MovePlaces['reserve']>[1]): Promise<PlacedTenant> {
  const target = await places.reserve(tenant, request)
  await begin(tenant, target, request.moveId)
  await places.provisionTarget(tenant, target, { fence })
  return { ...tenant, placement: target }
}

async function registerServer(shared: boolean, region = 'default'): Promise<string> {
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

describe('the places of a move', () => {
  before(async () => {
    made = await fleet()
    places = new MovePlaces(made.placements)
    const schemas = `pw_schemas_${randomBytes(6).toString('hex')}`
    await made.placements.schemaDatabases.create({ server: 'main', name: schemas })
    await registerServer(true)
    other = { pooled: await makePooled(), schemas, server: await registerServer(false) }
  })
  after(() => made.strike())

  for (const from of isolations) {
    for (const to of isolations) {
      test(`${from} to ${to}: both places are there, each known for what it is; there, back, and there for good`, async () => {
        const [tenant, neighbour] = [await made.tenant(from), await made.tenant(from)]
        await fill(tenant)
        await fill(neighbour, 3)
        const request = requestTo(to, tenant)
        const target = await places.reserve(tenant, request)
        assert.equal(target.isolation, to)
        assert.notDeepEqual(target, tenant.placement)
        assert.deepEqual(await places.reserve(tenant, request), target)
        await begin(tenant, target, request.moveId)
        await places.provisionTarget(tenant, target, { fence })
        await places.provisionTarget(tenant, target, { fence })
        const there = { ...tenant, placement: target }

        // The tenant's place is the one that it had, and is as it was.
        const [source, second] = [made.placements.for(from), made.placements.for(to)]
        assert.deepEqual(await source.place(tenant), tenant.placement)
        assert.deepEqual(await source.verify(tenant), [])
        assert.equal(await notesOf(tenant), 7)
        const facts = await second.describe(there)
        assert.deepEqual([facts.gate, facts.version], ['moved', '0002'])
        assert.ok(facts.tables.every(({ rows }) => rows === 0))
        assert.deepEqual(await second.verify(there), [])
        await assert.rejects(made.as(there, (connection) => connection.query('select title from notes')))
        await assert.rejects(places.releasePlace(tenant, tenant.placement, { behindFence: fence }), MoveStateError)
        assert.equal(await notesOf(tenant), 7)

        // There: the other one is the move's now.
        await arriveAt(tenant, target)
        await arriveAt(tenant, target)
        assert.deepEqual(await second.place(tenant), target)
        assert.deepEqual(await second.verify(there), [])
        assert.deepEqual((await made.tenants.find({ kind: 'id', id: tenant.id }))?.placement, target)
        await assert.rejects(places.releasePlace(tenant, target, { behindFence: fence }), MoveStateError)
        // Back, and there for good.
        await arriveAt(tenant, tenant.placement)
        assert.deepEqual(await source.place(tenant), tenant.placement)
        assert.deepEqual(await source.verify(tenant), [])
        await arriveAt(tenant, target)

        // While its gate is open, nothing is removed by mistake.
        if (from !== 'database' && from !== 'server') {
          await gateIs(tenant, 'open')
          await assert.rejects(places.releasePlace(tenant, tenant.placement, { behindFence: fence }), MoveStateError)
        }
        await gateIs(tenant, 'moved')
        assert.ok((await places.releasePlace(tenant, tenant.placement, { behindFence: fence })).length > 0)
        assert.deepEqual(await places.releasePlace(tenant, tenant.placement, { behindFence: fence }), [])
        const left = (await source.remains(tenant)).filter(({ kind, where }) => kind !== 'gate' || where !== 'main')
        assert.deepEqual(left, [])
        await end(request.moveId)
        assert.deepEqual(await second.verify(there), [])
        await gateIs(there, 'open')
        await fill(there, 2)
        assert.equal(await notesOf(there), 2)
        assert.equal(await notesOf(neighbour), 3)
        assert.deepEqual(await source.verify(neighbour), [])
      })
    }
  }

  for (const to of isolations) {
    test(`a move to ${to} that is cancelled leaves nothing there, and the tenant as it was`, async () => {
      const tenant = await made.tenant('pooled')
      await fill(tenant)
      const request = requestTo(to, tenant)
      const there = await moving(tenant, request)
      await places.releasePlace(tenant, there.placement, { behindFence: fence })
      const left = (await made.placements.for(to).remains(there)).filter(({ kind, where }) => kind !== 'gate' || where !== 'main')
      assert.deepEqual(left, [])
      assert.deepEqual(await made.placements.for('pooled').verify(tenant), [])
      assert.equal(await notesOf(tenant), 7)
      // It arrives nowhere: there is no such place any more.
      await assert.rejects(arriveAt(tenant, there.placement), MoveFailedError)
      assert.equal(await notesOf(tenant), 7)
    })
  }

  test('a tenant arrives at no place but one that was made for its own open move', async () => {
    const [tenant, stranger] = [await made.tenant('pooled'), await made.tenant('database')]
    const request = { moveId: randomUUID(), isolation: 'database' as const }
    const target = await places.reserve(tenant, request)
    await assert.rejects(arriveAt(tenant, target), MoveFailedError)
    await begin(tenant, target, request.moveId)
    // Reserved, and not made yet.
    await assert.rejects(arriveAt(tenant, target), MoveFailedError)
    await assert.rejects(arriveAt(tenant, stranger.placement), MoveFailedError)
    // Nor by hand, past the move.
    await assert.rejects(
      inCatalog(`update partywall.tenants set isolation = 'database', database_name = $2 where id = $1`, [tenant.id, target.database]),
      { code: '23514' },
    )
    assert.deepEqual((await made.tenants.find({ kind: 'id', id: tenant.id }))?.placement, tenant.placement)
  })

  const stepsOf = {
    pooled: ['gate', 'target made', 'target shut', 'target empty'],
    schema: ['schema', 'migrations', 'target made', 'target shut'],
    database: ['secret', 'login', 'database', 'privileges', 'migrations', 'settled', 'target made', 'target shut'],
  } as const
  for (const to of ['pooled', 'schema', 'database'] as const) {
    for (const step of stepsOf[to]) {
      test(`${to}: killed at “${step}”, the target is gone on with; or removed without a rest`, async () => {
        for (const isGoneOnWith of [true, false]) {
          const tenant = await made.tenant(to)
          const request = requestTo(to, tenant)
          const target = await places.reserve(tenant, request)
          await begin(tenant, target, request.moveId)
          made.failAt = step
          await assert.rejects(places.provisionTarget(tenant, target, { fence }), Killed)
          made.failAt = undefined
          const there = { ...tenant, placement: target }
          if (isGoneOnWith) {
            await places.provisionTarget(tenant, target, { fence })
            assert.equal((await made.placements.for(to).describe(there)).gate, 'moved')
            assert.deepEqual(await made.placements.for(to).verify(there), [])
          } else {
            await places.releasePlace(tenant, target, { behindFence: fence })
            assert.deepEqual(await made.placements.for(to).remains(there), [])
          }
          assert.deepEqual(await made.placements.for(to).verify(tenant), [])
        }
      })
    }
  }

  const stepsOfReleasing = {
    pooled: ['gate removed', 'rows released'],
    schema: ['tables dropped', 'schema dropped'],
    database: ['database dropped', 'login dropped'],
  } as const
  for (const from of ['pooled', 'schema', 'database'] as const) {
    for (const step of stepsOfReleasing[from]) {
      test(`${from}: killed at “${step}”, releasing is gone on with to the end`, async () => {
        const tenant = await made.tenant(from, from === 'pooled' ? {} : undefined)
        await fill(tenant)
        const there = await moving(tenant, requestTo(from, tenant))
        made.failAt = step
        await assert.rejects(places.releasePlace(tenant, there.placement, { behindFence: fence }), Killed)
        made.failAt = undefined
        await places.releasePlace(tenant, there.placement, { behindFence: fence })
        assert.deepEqual(await made.placements.for(from).remains(there), [])
        assert.deepEqual(await places.releasePlace(tenant, there.placement, { behindFence: fence }), [])
        assert.equal(await notesOf(tenant), 7)
        assert.deepEqual(await made.placements.for(from).verify(tenant), [])
      })
    }
  }

  test('what an abandoned attempt left at the target is removed before the copy; a neighbour’s rows stay', async () => {
    for (const to of isolations) {
      const tenant = await made.tenant('pooled')
      const there = await moving(tenant, requestTo(to, tenant))
      const neighbour = to === 'pooled' ? await neighbourIn(there.placement) : undefined
      await gateIs(there, 'open')
      await fill(there)
      await gateIs(there, 'suspended')
      await places.provisionTarget(tenant, there.placement, { fence })
      const facts = await made.placements.for(to).describe(there)
      assert.equal(facts.gate, 'moved')
      assert.ok(facts.tables.every(({ rows }) => rows === 0))
      if (neighbour !== undefined) assert.equal(await notesOf(neighbour), 3)
    }
  })

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

  async function neighbourIn(placement: Placement): Promise<PlacedTenant> {
    const tenant = await made.tenant('pooled')
    const there = await moving(tenant, { moveId: randomUUID(), isolation: 'pooled', database: placement.database })
    await arriveAt(tenant, there.placement)
    await gateIs(there, 'open')
    await fill(there, 3)
    return there
  }
})
