// For Prometheus: what tenants' work costs, with few enough labels for any number of tenants.

import { Counter, exponentialBuckets, Gauge, Histogram, Registry } from 'prom-client'
import type { LeaseCost, TenancyObserver, WorkCost } from '../core/observer.ts'
import type { Tenant, TenantId } from '../core/tenant.ts'
import { TopTenants } from '../core/top-tenants.ts'
import { ConfigurationError } from '../errors.ts'

export interface TenancyMetricsOptions {
  /**
   * How many tenants have series of their own: 0 to 1,000, default 50. They are those that held connections the longest lately; the
   * others are `tenant="_other"`, apart by plan. Each has 10 series.
   */
  readonly tenantsMax?: number | undefined
  /** How often the places are given anew, in milliseconds. Default 60,000. */
  readonly chooseEveryMs?: number | undefined
  /** The application's own, in OpenMetrics for exemplars. Default: a new one. */
  readonly registry?: Registry | undefined
}

/** What `tenancy.stats()` answers, as far as it is shown. */
interface StatsDoor {
  stats(): {
    readonly connections: { readonly open: number; readonly idle: number }
    readonly moves: { readonly waiting: number }
    readonly databases: number
    readonly queue: { readonly waiting: number }
  }
}

export interface TenancyMetrics {
  /** For `createTenancy({ observers: [observer] })`. */
  readonly observer: TenancyObserver
  readonly registry: Registry
  /** Adds gauges of this process's connections and queues. */
  watch(tenancy: StatsDoor): void
  /** The text of the endpoint, and its content type. Whoever may read it reads the tenants' slugs: not for the public. */
  expose(): Promise<{ readonly contentType: string; readonly body: string }>
  /** Takes the places no more. */
  close(): void
}

interface Counts {
  readonly labels: { readonly tenant: string; readonly plan: string }
  statements: number
  rows: number
  heldMs: number
  waitMs: number
  bytesSent: number
  bytesReceived: number
}

/** Of what is not one of the few. No slug begins so. */
const rest = '_other'
const labelNames = ['tenant', 'plan'] as const
const leaseBuckets = exponentialBuckets(0.0005, 4, 9)
const workBuckets = exponentialBuckets(0.005, 4, 9)

/**
 * @example
 * ```ts
 * const metrics = tenancyMetrics({ tenantsMax: 100 })
 * const tenancy = await createTenancy({ catalog, database, observers: [metrics.observer] })
 * metrics.watch(tenancy)
 * internal.get('/metrics', async (_request, reply) => {
 *   const { contentType, body } = await metrics.expose()
 *   return await reply.type(contentType).send(body)
 * })
 * ```
 *
 * @throws {ConfigurationError}
 */
export function tenancyMetrics(options: TenancyMetricsOptions = {}): TenancyMetrics {
  const { tenantsMax = 50, chooseEveryMs = 60_000, registry = openMetrics() } = options
  if (!(Number.isInteger(tenantsMax) && tenantsMax >= 0 && tenantsMax <= 1_000)) {
    throw new ConfigurationError('tenantsMax is 0 to 1,000: each of them has series of its own.')
  }
  const registers = [registry]
  const counter = (name: string, help: string, more: readonly string[] = []) =>
    new Counter({ name: `partywall_${name}`, help, labelNames: [...labelNames, ...more], registers, collect: () => settle() })
  const statements = counter('statements_total', 'Statements that were run for tenants.')
  const rows = counter('rows_total', 'Rows that were returned or changed.')
  const held = counter('connection_held_seconds_total', 'How long tenants held connections.')
  const waited = counter('connection_wait_seconds_total', 'How long tenants waited for a turn and a connection.')
  const sent = counter('sent_bytes_total', 'Bytes to databases.')
  const received = counter('received_bytes_total', 'Bytes from databases.')
  const works = counter('work_total', 'Attempts at jobs and events.', ['kind', 'outcome'])
  const worked = counter('work_seconds_total', 'How long jobs and events ran.', ['kind'])
  const exemplars = registry.contentType.startsWith('application/openmetrics-text')
  const histogram = (name: string, help: string, buckets: number[], label: string) =>
    new Histogram({ name: `partywall_${name}`, help, buckets, labelNames: ['plan', label], registers, enableExemplars: exemplars })
  const leaseSeconds = histogram('connection_held_seconds', 'How long a connection was held at a time.', leaseBuckets, 'grant')
  const workSeconds = histogram('work_seconds', 'How long a job or an event ran at a time.', workBuckets, 'kind')
  const ofTenants = [statements, rows, held, waited, sent, received, works, worked]

  const forget = (slug: string): void => {
    for (const metric of ofTenants) void removeOf(metric, slug)
  }
  const top = new TopTenants({ tenantsMax, onLeft: forget })
  const timer = setInterval(() => {
    settle()
    top.choose()
  }, chooseEveryMs)
  timer.unref()

  // Counted in plain numbers: what a counter of the library costs for each of its labels, each lease would pay six times.
  let counted = new Map<TenantId, Counts>()
  const countsOf = (tenant: Tenant, weight: number): Counts => {
    const label = top.labelOf(tenant, weight) ?? rest
    const found = counted.get(tenant.id)
    if (found !== undefined) return found
    const counts = {
      labels: { tenant: label, plan: tenant.plan },
      statements: 0,
      rows: 0,
      heldMs: 0,
      waitMs: 0,
      bytesSent: 0,
      bytesReceived: 0,
    }
    counted.set(tenant.id, counts)
    return counts
  }
  function settle(): void {
    const settled = counted
    counted = new Map()
    for (const counts of settled.values()) {
      statements.inc(counts.labels, counts.statements)
      rows.inc(counts.labels, counts.rows)
      held.inc(counts.labels, counts.heldMs / 1_000)
      waited.inc(counts.labels, counts.waitMs / 1_000)
      sent.inc(counts.labels, counts.bytesSent)
      received.inc(counts.labels, counts.bytesReceived)
    }
  }
  const onLease = (cost: LeaseCost): void => {
    const { tenant, trace, grant } = cost.context
    const counts = countsOf(tenant, cost.heldMs)
    counts.statements += cost.statements
    counts.rows += cost.rows
    counts.heldMs += cost.heldMs
    counts.waitMs += cost.waitMs
    counts.bytesSent += cost.bytesSent
    counts.bytesReceived += cost.bytesReceived
    const ofPlan = { plan: tenant.plan, grant: String(grant !== undefined) }
    const value = cost.heldMs / 1_000
    // A trace that nobody has sampled leads nowhere.
    const isSampled = trace !== undefined && (Number.parseInt(trace.traceparent.slice(-2), 16) & 1) === 1
    const exemplarLabels = isSampled ? { trace_id: trace.traceparent.slice(3, 35) } : undefined
    if (exemplars && exemplarLabels !== undefined) leaseSeconds.observe({ labels: ofPlan, value, exemplarLabels })
    else if (exemplars) leaseSeconds.observe({ labels: ofPlan, value })
    else leaseSeconds.observe(ofPlan, value)
  }
  const onWork = ({ kind, tenant, outcome, ms }: WorkCost): void => {
    const labels = { tenant: top.labelOf(tenant, 0) ?? rest, plan: tenant.plan }
    works.inc({ ...labels, kind, outcome }, 1)
    worked.inc({ ...labels, kind }, ms / 1_000)
    if (exemplars) workSeconds.observe({ labels: { plan: tenant.plan, kind }, value: ms / 1_000 })
    else workSeconds.observe({ plan: tenant.plan, kind }, ms / 1_000)
  }

  return {
    observer: { onLease, onWork },
    registry,
    watch: (tenancy) => watch(tenancy, registers),
    expose: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
    close: () => clearInterval(timer),
  }
}

function openMetrics(): Registry {
  const registry = new Registry()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never)
  return registry
}

/** All series of the tenant. Its counts are gone from then on, and begin at zero when it is back: rate() knows that. */
async function removeOf(metric: Counter, slug: string): Promise<void> {
  const { values } = await metric.get()
  for (const { labels } of values) if (labels['tenant'] === slug) metric.remove(labels as Record<string, string>)
}

function watch(tenancy: StatsDoor, registers: Registry[]): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `partywall_${name}`,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  gauge('connections_open', 'Connections of this process to databases.', () => tenancy.stats().connections.open)
  gauge('connections_idle', 'Those of them that nobody holds.', () => tenancy.stats().connections.idle)
  gauge('calls_waiting', 'Calls that wait for a turn.', () => tenancy.stats().queue.waiting)
  gauge('calls_waiting_for_moves', 'Calls that wait for tenants which are being switched.', () => tenancy.stats().moves.waiting)
  gauge('databases_open', 'Databases that are open in this process.', () => tenancy.stats().databases)
}
