import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import type { Tenant, TenantId, TenantSlug } from '../../src/core/tenant.ts'
import { createTenantContext } from '../../src/core/tenant-context.ts'
import { ConfigurationError } from '../../src/errors.ts'
import { tenancyMetrics } from '../../src/telemetry/prometheus.ts'
import { bob } from '../support/door-cast.ts'

const tenantOf = (i: number): Tenant => ({
  ...bob,
  id: `${bob.id.slice(0, -6)}${String(i).padStart(6, '0')}` as TenantId,
  slug: `tenant-${i}` as TenantSlug,
})
const costOf = (tenant: Tenant, heldMs = 1, traceparent?: string) => ({
  context: createTenantContext({ tenant, ...(traceparent !== undefined && { trace: { traceparent, tracestate: undefined } }) }),
  ...{ waitMs: 1, heldMs, statements: 1, rows: 2, bytesSent: 10, bytesReceived: 100 },
})

const series = (body: string, name: string): ReadonlyMap<string, number> =>
  new Map(
    [...body.matchAll(new RegExp(`^${name}\\{(.*?)\\} (\\S+)`, 'gm'))].map(([, labels = '', value]) => [
      /tenant="([^"]*)"/.exec(labels)?.[1] ?? labels,
      Number(value),
    ]),
  )

test('a few tenants have series of their own, the rest one for each plan, and nothing is lost', async (t) => {
  const metrics = tenancyMetrics({ tenantsMax: 3 })
  t.after(() => metrics.close())
  for (let i = 0; i < 1_000; i++) metrics.observer.onLease?.(costOf(tenantOf(i % 100)))
  const { body, contentType } = await metrics.expose()
  assert.match(contentType, /openmetrics/)
  assert.match(body, /# EOF\n?$/)
  const statements = series(body, 'partywall_statements_total')
  assert.deepEqual([...statements.keys()].sort(), ['_other', 'tenant-0', 'tenant-1', 'tenant-2'])
  assert.equal(
    [...statements.values()].reduce((a, b) => a + b),
    1_000,
  )
  assert.equal(statements.get('tenant-1'), 10)
})

test('places are given to those that used the most lately; who loses its place has no series any more', async (t) => {
  const metrics = tenancyMetrics({ tenantsMax: 2, chooseEveryMs: 20 })
  t.after(() => metrics.close())
  const names = async () => [...series((await metrics.expose()).body, 'partywall_rows_total').keys()].sort()
  for (let i = 0; i < 4; i++) metrics.observer.onLease?.(costOf(tenantOf(i), i < 2 ? 10 : 1_000))
  assert.deepEqual(await names(), ['_other', 'tenant-0', 'tenant-1'])
  await new Promise((resolve) => setTimeout(resolve, 100))
  for (let i = 0; i < 4; i++) metrics.observer.onLease?.(costOf(tenantOf(i), i < 2 ? 10 : 1_000))
  assert.deepEqual(await names(), ['_other', 'tenant-2', 'tenant-3'])
})

test('work is told apart by its kind and outcome; an exemplar leads to a trace that was sampled', async (t) => {
  const metrics = tenancyMetrics()
  t.after(() => metrics.close())
  metrics.observer.onWork?.({ kind: 'job', tenant: bob, name: 'report', ms: 20, outcome: 'failed' })
  metrics.observer.onLease?.(costOf(bob, 1, `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`))
  assert.ok(!(await metrics.expose()).body.includes('trace_id'))
  metrics.observer.onLease?.(costOf(bob, 1, `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`))
  const { body } = await metrics.expose()
  assert.match(body, /partywall_work_total\{tenant="bob",plan="free",kind="job",outcome="failed"\} 1/)
  assert.match(body, new RegExp(`partywall_connection_held_seconds_bucket\\{.*# \\{trace_id="${'a'.repeat(32)}"\\}`))
})

test('the application’s own registry; gauges of the process; and no more labels than are good', async (t) => {
  const registry = new Registry()
  const metrics = tenancyMetrics({ registry })
  t.after(() => metrics.close())
  const stats = { connections: { open: 3, idle: 1 }, moves: { waiting: 0 }, databases: 2, queue: { waiting: 7 } }
  metrics.watch({ stats: () => stats })
  metrics.observer.onLease?.(costOf(bob))
  const text = await registry.metrics()
  assert.match(text, /^partywall_connections_open 3$/m)
  assert.match(text, /^partywall_calls_waiting 7$/m)
  assert.match(text, /^partywall_rows_total\{tenant="bob",plan="free"\} 2$/m)
  for (const tenantsMax of [-1, 1_001, 1.5]) assert.throws(() => tenancyMetrics({ tenantsMax }), ConfigurationError)
})
