// Plans of many moves: who goes, who stays and why, in which order.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Move } from '../../../src/core/move.ts'
import type { Isolation, Placement } from '../../../src/core/placement.ts'
import { parseTenantId, parseTenantSlug, type TenantId } from '../../../src/core/tenant.ts'
import { type BulkPlanInput, type PlanServer, type PlanTenant, planMoves, type TenantSize } from '../../../src/operations/moves/plan.ts'

const idOf = (n: number): TenantId => parseTenantId(`0198b5e0-0000-7000-8000-${String(n).padStart(12, '0')}`)
const placed = (isolation: Isolation, server = 'main'): Placement => ({ isolation, server, database: `on-${server}`, schema: 'app' })
const tenant = (n: number, over: Partial<PlanTenant> = {}): PlanTenant => ({
  id: idOf(n),
  slug: parseTenantSlug(`tenant-${n}`),
  region: 'eu',
  status: 'active',
  placement: placed('pooled'),
  ...over,
})
const room = (database: number, schema = Number.POSITIVE_INFINITY) => ({
  pooled: Number.POSITIVE_INFINITY,
  schema,
  database,
  server: database,
})
const server = (name: string, over: Partial<PlanServer> = {}): PlanServer => ({
  name,
  region: 'eu',
  state: 'active',
  isDedicated: false,
  room: room(Number.POSITIVE_INFINITY),
  ...over,
})
const megabytes = (bytes: number): TenantSize => ({ rows: bytes * 10_000, bytes: bytes * 1_000_000, load: undefined })
const open = (n: number, over: Partial<Move> = {}): Move => ({
  id: `move-${n}`,
  tenantId: idOf(n),
  state: 'following',
  serving: 'source',
  generation: 1,
  source: placed('pooled'),
  target: placed('server', 'pg-1'),
  wish: undefined,
  options: {},
  notes: {},
  fence: 0,
  verifiedAt: undefined,
  pauseMs: undefined,
  problem: undefined,
  actor: { kind: 'staff', id: 'ada' },
  reason: 'test',
  attempt: 1,
  createdAt: new Date(0),
  updatedAt: new Date(0),
  finishedAt: undefined,
  ...over,
})
const plan = (over: Partial<BulkPlanInput>) =>
  planMoves({
    tenants: [],
    destination: { to: 'server' },
    sizes: new Map(),
    servers: [server('main')],
    open: [],
    concurrency: 2,
    ...over,
  })
const reasons = ({ refused }: ReturnType<typeof plan>) => Object.fromEntries(refused.map(({ slug, why }) => [slug, why]))

test('the smallest goes first, one whose size nobody knows last, and who is there already is only counted', () => {
  const tenants = [tenant(1), tenant(2), tenant(3), tenant(4, { placement: placed('server', 'pg-9') })]
  const planned = plan({
    tenants,
    sizes: new Map([
      [idOf(1), megabytes(500)],
      [idOf(3), megabytes(1)],
    ]),
  })
  assert.deepEqual(
    planned.moves.map(({ slug }) => slug),
    ['tenant-3', 'tenant-1', 'tenant-2'],
  )
  assert.deepEqual([planned.there, planned.refused, planned.bytes, planned.rows], [1, [], 501_000_000, 5_010_000])
  const [small, great, unknown] = planned.moves.map(({ estimateMs }) => estimateMs)
  assert.ok(small! < great!)
  assert.equal(unknown, undefined)
})

test('the time of all is that of lines beside each other, not the sum', () => {
  const tenants = [1, 2, 3, 4].map((n) => tenant(n))
  const sizes = new Map(tenants.map(({ id }) => [id, megabytes(100)]))
  const [alone, together] = [1, 4].map((concurrency) => plan({ tenants, sizes, concurrency }).estimateMs)
  assert.equal(alone, together! * 4)
})

test('a plan made again leaves out what is done, and goes on with what is open', () => {
  const tenants = [
    tenant(1, { placement: placed('server', 'pg-7') }),
    tenant(2),
    // Switched, and not completed: the catalog has it there already, but its move is not over.
    tenant(3, { placement: placed('server', 'pg-1') }),
    tenant(4),
  ]
  const planned = plan({ tenants, open: [open(2, { state: 'copying' }), open(3, { serving: 'target' })] })
  assert.deepEqual(
    planned.moves.map(({ slug, moveId }) => [slug, moveId]),
    [
      ['tenant-2', 'move-2'],
      ['tenant-3', 'move-3'],
      ['tenant-4', undefined],
    ],
  )
  assert.equal(planned.there, 1)
})

test('an open move that leads elsewhere, or is being cancelled, is left to whoever began it', () => {
  const refused = reasons(
    plan({
      tenants: [tenant(1), tenant(2)],
      open: [open(1, { target: placed('schema', 'pg-2') }), open(2, { state: 'cancelling' })],
    }),
  )
  assert.match(refused['tenant-1']!, /move-1 is open and leads elsewhere: schema on pg-2/)
  assert.match(refused['tenant-2']!, /move-2 there is being cancelled/)
})

test('who is not open yet, or is leaving, stays; a suspended tenant is moved like any other', () => {
  const tenants = [tenant(1, { status: 'onboarding' }), tenant(2, { status: 'offboarding' }), tenant(3, { status: 'suspended' })]
  const planned = plan({ tenants })
  assert.match(reasons(planned)['tenant-1']!, /being made/)
  assert.match(reasons(planned)['tenant-2']!, /off-boarded/)
  assert.deepEqual(
    planned.moves.map(({ slug }) => slug),
    ['tenant-3'],
  )
})

test('a server that is named must be in the region, active, of the right kind, and have room', () => {
  const at = (name: string, to: Isolation, over: Partial<PlanServer> = {}, count = 1) =>
    plan({
      tenants: Array.from({ length: count }, (_, n) => tenant(n + 1)),
      destination: { to, server: name },
      servers: [server('main'), server('pg-2', over)],
    })
  assert.equal(at('pg-2', 'schema').moves.length, 1)
  assert.match(reasons(at('pg-3', 'schema'))['tenant-1']!, /no server pg-3/)
  assert.match(reasons(at('pg-2', 'schema', { region: 'us' }))['tenant-1']!, /region is eu.*in us/)
  assert.match(reasons(at('pg-2', 'schema', { state: 'draining' }))['tenant-1']!, /draining/)
  assert.match(reasons(at('pg-2', 'database', { isDedicated: true }))['tenant-1']!, /for one tenant alone/)
  assert.match(reasons(at('pg-2', 'server'))['tenant-1']!, /more than one tenant/)
  const full = at('pg-2', 'database', { room: room(2) }, 3)
  assert.deepEqual([full.moves.length, Object.keys(reasons(full))], [2, ['tenant-3']])
  assert.match(reasons(full)['tenant-3']!, /pg-2 is full with those before it/)
  assert.equal(at('pg-2', 'schema', { room: room(0) }, 3).moves.length, 3, 'schemas are not counted')
  assert.match(reasons(at('pg-2', 'schema', { room: room(9, 0) }))['tenant-1']!, /no room at pg-2, in a database that holds schemas/)
  assert.equal(at('pg-2', 'server', { isDedicated: true, room: room(1) }, 2).moves.length, 1, 'a whole server has one tenant')
})

test('without a server each goes to one of its region, as long as they have room; elsewhere it is refused', () => {
  const planned = plan({
    tenants: [tenant(1), tenant(2), tenant(3), tenant(4, { region: 'us' })],
    destination: { to: 'database' },
    servers: [server('main', { room: room(1) }), server('pg-2', { room: room(1) }), server('pg-3', { room: room(9), state: 'draining' })],
  })
  assert.equal(planned.moves.length, 2)
  assert.match(reasons(planned)['tenant-3']!, /main, pg-2 are full/)
  assert.match(reasons(planned)['tenant-4']!, /No active server is in its region, us/)
  const servers = plan({ tenants: [tenant(4, { region: 'us' })], destination: { to: 'server' } })
  assert.equal(servers.moves.length, 1, 'a server of its own may be made')
})
