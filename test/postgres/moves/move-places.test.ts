// The two places of a tenant that moves: between every pair of placements, and to another place of the same kind.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { isolations, type Placement } from '../../../src/core/placement.ts'
import type { PlacedTenant } from '../../../src/core/placement-adapter.ts'
import { MoveFailedError, MoveStateError } from '../../../src/errors.ts'
import { Killed } from '../../support/fleet.ts'
import {
  arriveAt,
  begin,
  end,
  fence,
  fill,
  gateIs,
  inCatalog,
  made,
  moving,
  notesOf,
  places,
  raise,
  requestTo,
} from '../../support/moving.ts'

describe('the places of a move', () => {
  before(raise)
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

  test('a tenant who is suspended keeps its rows: its gate does not say that it is served, the catalog does', async () => {
    for (const isolation of isolations) {
      const tenant = await made.tenant(isolation)
      await fill(tenant)
      await made.placements.for(isolation).setGate(tenant, 'suspended')
      await assert.rejects(places.releasePlace(tenant, tenant.placement, { behindFence: fence }), MoveStateError)
      await assert.rejects(places.provisionTarget(tenant, tenant.placement, { fence }), MoveStateError)
      await made.placements.for(isolation).setGate(tenant, 'open')
      assert.equal(await notesOf(tenant), 7)
    }
  })

  test('what is kept for a move is not taken for the tenant’s own when it is placed', async () => {
    for (const isolation of ['schema', 'database'] as const) {
      const tenant = await made.tenant('pooled')
      const target = await places.reserve(tenant, { moveId: randomUUID(), isolation })
      assert.notDeepEqual(await made.placements.for(isolation).place(tenant), target)
    }
  })

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

  async function neighbourIn(placement: Placement): Promise<PlacedTenant> {
    const tenant = await made.tenant('pooled')
    const there = await moving(tenant, { moveId: randomUUID(), isolation: 'pooled', database: placement.database })
    await arriveAt(tenant, there.placement)
    await gateIs(there, 'open')
    await fill(there, 3)
    return there
  }
})
