// Servers made equally full: what every plan promises, whatever the fleet is.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Isolation } from '../../../src/core/placement.ts'
import { parseTenantId, parseTenantSlug, type TenantId } from '../../../src/core/tenant.ts'
import type { PlanServer, PlanTenant, TenantSize } from '../../../src/operations/moves/plan.ts'
import { planRebalance, type RebalanceInput, type RebalancePlan } from '../../../src/operations/moves/rebalance.ts'

type Fleet = Pick<RebalanceInput, 'tenants' | 'servers' | 'sizes'>

const idOf = (n: number): TenantId => parseTenantId(`0198b5e0-0000-7000-8000-${String(n).padStart(12, '0')}`)

interface Drawn {
  readonly servers: readonly { readonly region: string; readonly isDraining: boolean; readonly room: number }[]
  readonly tenants: readonly { readonly on: number; readonly bytes: number; readonly isolation: Isolation }[]
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  servers: fc.array(
    fc.record({
      region: fc.constantFrom('eu', 'us'),
      isDraining: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
      room: fc.oneof({ weight: 3, arbitrary: fc.constant(Number.POSITIVE_INFINITY) }, { weight: 1, arbitrary: fc.nat(3) }),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  tenants: fc.array(
    fc.record({
      on: fc.nat(5),
      bytes: fc.oneof(fc.nat(1_000), fc.nat(1_000_000_000)),
      isolation: fc.constantFrom<Isolation>('pooled', 'schema', 'database'),
    }),
    { maxLength: 40 },
  ),
})

const anyRoom = Number.POSITIVE_INFINITY
const roomFor = (database: number): PlanServer['room'] => ({ pooled: anyRoom, schema: anyRoom, database, server: 0 })

function fleetOf({ servers: drawnServers, tenants: drawnTenants }: Drawn): Fleet {
  const servers = drawnServers.map(
    ({ region, isDraining, room }, n): PlanServer => ({
      name: `pg-${n}`,
      region,
      state: isDraining ? 'draining' : 'active',
      isDedicated: false,
      room: roomFor(room),
    }),
  )
  const tenants = drawnTenants.map(({ on, isolation }, n): PlanTenant => {
    const server = servers[on % servers.length]!
    const placement = { isolation, server: server.name, database: `on-${server.name}`, schema: 'app' }
    return { id: idOf(n), slug: parseTenantSlug(`tenant-${n}`), region: server.region, status: 'active', placement }
  })
  const sizes = new Map(
    drawnTenants.map(({ bytes }, n): [TenantId, TenantSize] => [idOf(n), { rows: bytes / 100, bytes, load: bytes / 7 }]),
  )
  return { servers, tenants, sizes }
}

const defaults = { open: [], by: 'size', movesMax: 1_000, tolerance: 0.1, concurrency: 2 } as const

function planOf(fleet: Fleet, over: Partial<RebalanceInput> = {}): RebalancePlan {
  return planRebalance({ ...defaults, ...fleet, ...over })
}

/** The fleet after the plan was carried out. */
function after(fleet: Fleet, { moves }: RebalancePlan): Fleet {
  const to = new Map(moves.map(({ tenantId, destination }) => [tenantId, destination.server!]))
  const tenants = fleet.tenants.map((one) => ({ ...one, placement: { ...one.placement, server: to.get(one.id) ?? one.placement.server } }))
  const servers = fleet.servers.map((server) => {
    const ofOwn = moves.filter(({ from }) => from.isolation === 'database')
    const came = ofOwn.filter(({ destination }) => destination.server === server.name).length
    const left = ofOwn.filter(({ from }) => from.server === server.name).length
    return { ...server, room: roomFor(server.room.database - came + left) }
  })
  return { ...fleet, tenants, servers }
}

/** The sum of the squares, of active servers. */
function unevenness({ weights }: RebalancePlan, { servers }: Fleet, which: 'before' | 'after'): number {
  const isActive = (name: string) => servers.find((one) => one.name === name)?.state === 'active'
  return weights.filter(({ server }) => isActive(server)).reduce((sum, weight) => sum + weight[which] ** 2, 0)
}

describe('every plan of a rebalance', () => {
  test('is the end of it: made again after it was carried out, it is empty', () => {
    fc.assert(
      fc.property(drawn, fc.constantFrom('size', 'tenants', 'load'), (from, by) => {
        const fleet = fleetOf(from)
        assert.deepEqual(planOf(after(fleet, planOf(fleet, { by })), { by }).moves, [])
      }),
    )
  })

  test('converges also when only one move of each plan is made, and never comes back to where it was', () => {
    fc.assert(
      fc.property(drawn, (from) => {
        let fleet = fleetOf(from)
        const seen = new Set<string>()
        for (let round = 0; ; round++) {
          const planned = planOf(fleet, { movesMax: 1 })
          const here = fleet.tenants.map(({ placement }) => placement.server).join()
          assert.ok(!seen.has(here) && round < 500, 'it goes round in circles')
          seen.add(here)
          if (planned.moves.length === 0) return
          fleet = after(fleet, planned)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('makes active servers more even, and moves nobody when none is to be drained and all are within the tolerance', () => {
    fc.assert(
      fc.property(drawn, (from) => {
        const fleet = fleetOf({ ...from, servers: from.servers.map((server) => ({ ...server, isDraining: false })) })
        const planned = planOf(fleet)
        const [before, then] = [unevenness(planned, fleet, 'before'), unevenness(planned, fleet, 'after')]
        assert.ok(planned.moves.length === 0 ? then === before : then < before)
        for (const region of ['eu', 'us']) {
          const weights = planned.weights.filter((one) => one.region === region).map((one) => one.before)
          const mean = weights.reduce((sum, one) => sum + one, 0) / weights.length
          const isEven = weights.every((one) => one <= mean * 1.1)
          const moved = planned.moves.filter(
            ({ from: { server } }) => planned.weights.find((one) => one.server === server)?.region === region,
          )
          if (isEven) assert.deepEqual(moved, [])
        }
      }),
    )
  })

  test('stays in the region, overfills no server, moves nobody twice or onto a draining server, and keeps its bound', () => {
    fc.assert(
      fc.property(drawn, fc.nat(5), (from, movesMax) => {
        const fleet = fleetOf(from)
        const { moves } = planOf(fleet, { movesMax })
        const serverOf = (name: string) => fleet.servers.find((one) => one.name === name)!
        assert.ok(moves.length <= movesMax)
        assert.equal(new Set(moves.map(({ tenantId }) => tenantId)).size, moves.length)
        for (const { from: at, destination } of moves) {
          assert.notEqual(at.isolation, 'pooled')
          assert.equal(destination.to, at.isolation)
          assert.equal(serverOf(destination.server!).region, serverOf(at.server).region)
          assert.equal(serverOf(destination.server!).state, 'active')
        }
        for (const { room, name } of after(fleet, planOf(fleet)).servers)
          assert.ok(room.database >= Math.min(0, serverOf(name).room.database), name)
      }),
    )
  })

  test('empties a server that is being drained, as far as there is room', () => {
    fc.assert(
      fc.property(drawn, (from) => {
        const servers = [
          { region: 'eu', isDraining: true, room: 0 },
          { region: 'eu', isDraining: false, room: Number.POSITIVE_INFINITY },
          ...from.servers,
        ]
        const fleet = fleetOf({ ...from, servers })
        const left = after(fleet, planOf(fleet)).tenants.filter(({ placement }) => placement.server === 'pg-0')
        assert.ok(left.every(({ placement }) => placement.isolation === 'pooled'))
      }),
    )
  })
})

const server = (name: string, over: Partial<PlanServer> = {}): PlanServer => ({
  name,
  region: 'eu',
  state: 'active',
  isDedicated: false,
  room: roomFor(anyRoom),
  ...over,
})

/** Tenants with schemas, by their bytes. */
function fleetWith(on: Readonly<Record<string, readonly number[]>>): Fleet {
  const entries = Object.entries(on).flatMap(([name, sizes]) => sizes.map((bytes) => ({ name, bytes })))
  return {
    servers: Object.keys(on).map((name) => server(name)),
    tenants: entries.map(({ name }, n) => ({
      id: idOf(n),
      slug: parseTenantSlug(`tenant-${n}`),
      region: 'eu',
      status: 'active',
      placement: { isolation: 'schema', server: name, database: `on-${name}`, schema: 'app' },
    })),
    sizes: new Map(entries.map(({ bytes }, n) => [idOf(n), { rows: bytes, bytes, load: bytes }])),
  }
}

test('a plan begins later than it ends: what is a little uneven is left alone, and what is not is made quite even', () => {
  const little = fleetWith({ a: [50, 10, 10, 10, 10, 10, 4], b: [96] })
  assert.deepEqual(planOf(little).moves, [], '4 % above the mean')
  const much = planOf(fleetWith({ a: new Array(60).fill(2), b: new Array(40).fill(2) }))
  assert.deepEqual(
    much.weights.map((weight) => weight.after),
    [104, 96],
    '20 % above the mean, and brought down to 4 %',
  )
})

test('a great tenant is not carried about for a few bytes, and one in shared tables weighs and stays', () => {
  const fleet = fleetWith({ a: [985, 15], b: [10] })
  const [great, small, ...others] = fleet.tenants
  const shared = { ...small!, placement: { ...small!.placement, isolation: 'pooled' as const } }
  assert.deepEqual(planOf({ ...fleet, tenants: [great!, shared, ...others] }).moves, [], '1000 and 10 would be 15 and 995')
  const half = fleetWith({ a: [500, 500], b: [10] })
  assert.equal(planOf(half).moves.length, 1)
})

test('a schema goes only where a database holds schemas', () => {
  const fleet = fleetWith({ a: [500, 500], b: [] })
  const servers = fleet.servers.map((one) => ({ ...one, room: { ...one.room, schema: one.name === 'a' ? anyRoom : 0 } }))
  assert.deepEqual([planOf({ ...fleet, servers }).moves.length, planOf(fleet).moves.length], [0, 1])
})

test('who is on the way counts where it will be, and is left alone; so is who is being made or has no known size', () => {
  const fleet = fleetWith({ a: [100, 100], b: [] })
  const [first, second] = fleet.tenants
  const target = { ...first!.placement, server: 'b' }
  const open = [{ id: 'move-1', tenantId: first!.id, state: 'copying', target } as unknown as RebalanceInput['open'][number]]
  const planned = planOf(fleet, { open })
  assert.deepEqual([planned.moves, planned.weights.map(({ before }) => before)], [[], [100, 100]])
  assert.deepEqual(planned.refused, [{ tenantId: first!.id, slug: 'tenant-0', why: 'The move move-1 is open.' }])
  const made = planOf({
    ...fleet,
    tenants: [
      { ...first!, status: 'onboarding' },
      { ...second!, status: 'offboarding' },
    ],
  })
  assert.deepEqual([made.moves, made.refused.length], [[], 2])
  const unknown = planOf({ ...fleet, sizes: new Map() })
  assert.deepEqual([unknown.moves, unknown.refused.length], [[], 2])
  assert.match(unknown.refused[0]!.why, /size is not known/)
})
