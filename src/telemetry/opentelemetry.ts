// For OpenTelemetry: every span that begins in a tenant's scope says whose it is, and the database's work has spans of its own.

import { type Context, context as otel, propagation, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import { systemClock } from '../core/clock.ts'
import type { LeaseCost, TenancyObserver, WorkCost } from '../core/observer.ts'
import type { TenantContext, TenantScope } from '../core/tenant-context.ts'

/** As the SDK's `SpanProcessor`. */
export interface TenantSpanProcessor {
  onStart(span: Span, parent: Context): void
  onEnd(): void
  forceFlush(): Promise<void>
  shutdown(): Promise<void>
}

/**
 * For the SDK's `spanProcessors`, before the one that exports: spans of HTTP, of drivers and of your own get `partywall.tenant.id`,
 * `partywall.tenant.plan`, `partywall.tenant.placement` and `partywall.request.id`. Outside every tenant they get nothing. They are
 * attributes of spans, not labels of metrics: any number of tenants is fine.
 *
 * @example
 * ```ts
 * const provider = new NodeTracerProvider({ spanProcessors: [tenantSpans(tenancy), new BatchSpanProcessor(exporter)] })
 * ```
 */
export function tenantSpans(tenancy: { readonly scope: TenantScope }): TenantSpanProcessor {
  return {
    onStart: (span) => {
      const context = tenancy.scope.tryCurrent()
      if (context !== undefined) span.setAttributes(attributesOf(context))
    },
    onEnd: () => {},
    forceFlush: async () => {},
    shutdown: async () => {},
  }
}

/**
 * For `createTenancy({ observers: [observer] })`: a span for each hold of a connection and for each attempt at a job or event, as children
 * of what is active, or else of the trace that the request, the job or the event came with. No SQL and no values are in them.
 */
export function tracingObserver(tracer: Tracer = trace.getTracer('partywall')): TenancyObserver {
  return {
    onLease: (cost: LeaseCost) => {
      const { context, heldMs, waitMs, statements, rows, bytesReceived, bytesSent } = cost
      const attributes = {
        ...attributesOf(context),
        'db.system.name': 'postgresql',
        'partywall.statements': statements,
        'partywall.rows': rows,
        'partywall.wait_ms': waitMs,
        'partywall.bytes_sent': bytesSent,
        'partywall.bytes_received': bytesReceived,
      }
      span(tracer, 'partywall.lease', { kind: SpanKind.CLIENT, ms: heldMs, parent: parentOf(context), attributes }).end()
    },
    onWork: ({ kind, tenant, name, ms, outcome }: WorkCost) => {
      const attributes = { ...tenantAttributes(tenant), 'partywall.work.name': name, 'partywall.work.outcome': outcome }
      const made = span(tracer, `partywall.${kind}`, { kind: SpanKind.CONSUMER, ms, parent: otel.active(), attributes })
      if (outcome === 'failed') made.setStatus({ code: SpanStatusCode.ERROR })
      made.end()
    },
  }
}

/**
 * Runs `fn` with the trace of the tenant's context as the active one: in handlers of jobs and events, whose trace began in the request
 * that asked for them.
 */
export function inTrace<T>(context: TenantContext, fn: () => T): T {
  return otel.with(parentOf(context), fn)
}

/** What is active goes first: it is nearer. */
function parentOf(context: TenantContext): Context {
  const active = otel.active()
  if (trace.getSpan(active) !== undefined || context.trace === undefined) return active
  const { traceparent, tracestate } = context.trace
  return propagation.extract(active, { traceparent, ...(tracestate !== undefined && { tracestate }) })
}

interface Ended {
  readonly kind: SpanKind
  readonly ms: number
  readonly parent: Context
  readonly attributes: Record<string, string | number>
}

/** It is over already: it began so long ago. */
function span(tracer: Tracer, name: string, { kind, ms, parent, attributes }: Ended): Span {
  return tracer.startSpan(name, { kind, attributes, startTime: new Date(systemClock.now() - ms) }, parent)
}

function tenantAttributes({ id, plan, placement }: TenantContext['tenant']): Record<string, string> {
  return { 'partywall.tenant.id': id, 'partywall.tenant.plan': plan, 'partywall.tenant.placement': placement.isolation }
}

function attributesOf({ tenant, requestId }: TenantContext): Record<string, string> {
  return { ...tenantAttributes(tenant), 'partywall.request.id': requestId }
}
