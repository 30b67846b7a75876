// What tenants' work costs, measured where it is done, wherever this run's tenants live.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { LeaseCost, TenancyObserver, WorkCost } from '../../src/core/observer.ts'
import type { TenantId } from '../../src/core/tenant.ts'
import { ConfigurationError, InvalidInputError, NoTenantError, TenantNotFoundError } from '../../src/errors.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { PostgresUsageLog } from '../../src/postgres/usage-log.ts'
import { tenantJob } from '../../src/resources/jobs/tenant-job.ts'
import { createTenancy } from '../../src/tenancy.ts'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { anything } from '../support/schemas.ts'

const leases: LeaseCost[] = []
const works: WorkCost[] = []
const listener: TenancyObserver = { onLease: (cost) => void leases.push(cost), onWork: (cost) => void works.push(cost) }
const broken: TenancyObserver = {
  onLease: () => {
    throw new TypeError('an observer of the application’s')
  },
}

const hour = { since: new Date(Date.now() - 3_600_000 * 2), until: new Date(Date.now() + 3_600_000) }

describe('what tenants use', () => {
  let scene: Stage
  before(async () => {
    scene = await stage(undefined, { observers: [broken, listener], usage: {} })
    await scene.migrate('select partywall.create_jobs()')
  })
  after(() => scene.tenancy.close())

  const as = async <T>(slug: string, fn: () => Promise<T>): Promise<readonly LeaseCost[]> => {
    leases.splice(0)
    await scene.tenancy.run(slug, fn).catch(() => {})
    return leases.splice(0)
  }
  const counts = (costs: readonly LeaseCost[]) => costs.map(({ context, statements, rows }) => [context.tenant.slug, statements, rows])

  test('a statement, a transaction, a stream and a failure are counted for whom they were', async () => {
    const { tenancy } = scene
    const one = await as('bob', () => tenancy.query('select * from notes'))
    assert.deepEqual(counts(one), [['bob', 1, rowsPerTenant]])
    const [{ heldMs, waitMs, bytesReceived, bytesSent }] = one as [LeaseCost]
    assert.ok(
      heldMs > 0 && waitMs >= 0 && bytesSent > 20 && bytesReceived > 100,
      JSON.stringify({ heldMs, waitMs, bytesSent, bytesReceived }),
    )
    const all = await as('carol', () =>
      tenancy.transaction(async (tx) => {
        await tx.query('select * from notes')
        await tx.query('update notes set title = title')
        await tx.query('select 1')
      }),
    )
    assert.deepEqual(counts(all), [['carol', 3, 2 * rowsPerTenant + 1]])
    const streamed = await as('bob', async () => {
      for await (const _ of tenancy.stream('select generate_series(1, 2500) as n', [], { batchSize: 1000 }));
    })
    assert.deepEqual(counts(streamed), [['bob', 1, 2500]])
    assert.deepEqual(counts(await as('bob', () => tenancy.query('select 1/0'))), [['bob', 1, 0]])
    assert.deepEqual(counts(await as('bob', () => tenancy.query('commit'))), [])
  })

  test('a large answer is counted by its bytes', async () => {
    const [cost] = await as('bob', () => scene.tenancy.query(`select repeat('x', 1000000) as text`))
    assert.ok(cost && cost.bytesReceived > 1_000_000 && cost.bytesReceived < 1_010_000, String(cost?.bytesReceived))
  })

  test('of two tenants on the same connections each has its own', async () => {
    leases.splice(0)
    const ask = (slug: string, n: number) => scene.tenancy.run(slug, () => scene.tenancy.query(`select generate_series(1, ${n})`))
    await Promise.all(Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? ask('bob', 3) : ask('carol', 7))))
    for (const [slug, rows] of [
      ['bob', 3],
      ['carol', 7],
    ] as const) {
      const own = leases.filter(({ context }) => context.tenant.slug === slug)
      assert.deepEqual([own.length, own.every((cost) => cost.rows === rows && cost.statements === 1)], [100, true])
    }
  })

  test('a job is counted as it ended', async () => {
    works.splice(0)
    const job = tenantJob('count', anything<{ fails: boolean }>(), async ({ fails }) => {
      if (fails) throw new TypeError('no')
    })
    const worker = scene.tenancy.startWorker({ jobs: [job], pollMs: 20, onError: () => {} })
    await scene.tenancy.run('bob', () => scene.tenancy.jobs().enqueue(job, { fails: false }))
    await scene.tenancy.run('carol', () => scene.tenancy.jobs().enqueue(job, { fails: true }))
    const deadline = performance.now() + 20_000
    while (works.length < 2 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10))
    await worker.close()
    const told = works.map(({ kind, name, tenant, outcome }) => [kind, name, tenant.slug, outcome])
    assert.deepEqual(told.sort(), [
      ['job', 'count', 'bob', 'done'],
      ['job', 'count', 'carol', 'failed'],
    ])
  })

  test('it is written down by the hour, for each tenant; who is inside a tenant reads its own', async () => {
    const { tenancy } = scene
    await tenancy.usage.flush()
    const all = await tenancy.usage.read({ ...hour, by: 'month' })
    const sums = new Map<string, number>()
    for (const { tenantId, metric, amount } of all) sums.set(`${tenantId} ${metric}`, (sums.get(`${tenantId} ${metric}`) ?? 0) + amount)
    const before = sums.get(`${scene.bob.id} statements`) ?? 0
    assert.ok(before > 100)
    assert.equal(sums.get(`${scene.bob.id} jobs`), 1)
    assert.ok((sums.get(`${scene.bob.id} bytes_received`) ?? 0) > 1_000_000)
    await as('bob', () => tenancy.query('select 1'))
    await Promise.all([tenancy.usage.flush(), tenancy.usage.flush()])
    const own = await tenancy.run('bob', () => tenancy.usage.own({ ...hour, by: 'hour' }))
    assert.ok(own.every(({ tenantId }) => tenantId === scene.bob.id))
    const statements = own.filter(({ metric }) => metric === 'statements').reduce((sum, { amount }) => sum + amount, 0)
    assert.equal(statements, before + 1)
    assert.deepEqual(own, await tenancy.usage.read({ ...hour, by: 'hour', tenant: 'bob' }))
  })

  test('who may not read it, and what cannot be asked', async () => {
    const { usage } = scene.tenancy
    await assert.rejects(usage.own(hour), NoTenantError)
    await assert.rejects(
      scene.tenancy.run('bob', () => usage.read({ ...hour, tenant: 'carol' })),
      InvalidInputError,
    )
    await assert.rejects(usage.read({ ...hour, tenant: 'unheard-of' }), TenantNotFoundError)
    await assert.rejects(usage.read({ since: hour.until, until: hour.since }), InvalidInputError)
    await assert.rejects(usage.read({ ...hour, by: 'week' as 'day' }), InvalidInputError)
    await assert.rejects(usage.read({ since: new Date(Number.NaN), until: hour.until }), InvalidInputError)
    await assert.rejects(usage.read({ since: new Date(0), until: hour.until, by: 'hour' }), InvalidInputError)
    await assert.rejects(usage.trim(0), InvalidInputError)
    await assert.rejects(createTenancy({ ...scene.access, usage: { flushEveryMs: 5 } }), ConfigurationError)
    // Whoever asks in SQL may not, or is in a database where there is no such thing.
    for (const text of ['select * from partywall.usage', `select partywall.read_usage(null, now() - interval '1 day', now(), 'day')`]) {
      await assert.rejects(
        scene.tenancy.run('bob', () => scene.tenancy.query(text)),
        ({ code }: { code: string }) => ['42501', '42P01', '42883', '3F000'].includes(code),
      )
    }
  })

  test('a batch that is sent again counts once; tenants that are off-boarded, or that nobody knows, not at all', async (t) => {
    const control = new ControlPool({ connectionString: scene.access.catalog, applicationName: 'usage' })
    t.after(() => control.close())
    const log = new PostgresUsageLog(control)
    const source = crypto.randomUUID()
    const zeros = {
      statements: 0,
      rows: 0,
      database_ms: 0,
      wait_ms: 0,
      bytes_sent: 0,
      bytes_received: 0,
      jobs: 0,
      job_ms: 0,
      events: 0,
      event_ms: 0,
    }
    const batch = (number: number, id: TenantId) => ({
      source,
      number,
      ageMs: 90 * 60_000,
      amounts: new Map([[id, { ...zeros, events: 2.5 }]]),
    })
    const events = async () =>
      (await log.read({ ...hour, since: new Date(Date.now() - 4 * 3_600_000), by: 'hour', tenantId: scene.dave.id })).filter(
        ({ metric }) => metric === 'events',
      )
    await log.add(batch(1, scene.dave.id))
    await log.add(batch(1, scene.dave.id))
    await log.add(batch(2, scene.dave.id))
    await log.add(batch(1, scene.dave.id))
    const [entry, ...more] = await events()
    assert.deepEqual([entry?.amount, more], [5, []])
    // In the hour in which it was closed, not in that of its writing.
    assert.ok(entry && entry.from.getTime() < Date.now() - 3_600_000 + 60_000 && entry.from.getTime() % 3_600_000 === 0)
    await log.add(batch(3, crypto.randomUUID() as TenantId))
    assert.equal((await events())[0]?.amount, 5)
    await assert.rejects(control.query('insert into partywall.usage values (gen_random_uuid(), now(), $1, 1)', ['jobs']), { code: '42501' })
    assert.equal(await log.trim(1), 0)
  })
})
