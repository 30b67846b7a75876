import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { context as otel, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { createTenantContext } from '../../src/core/tenant-context.ts'
import { inTrace, tenantSpans, tracingObserver } from '../../src/telemetry/opentelemetry.ts'
import { bob, watchedDoor } from '../support/door-cast.ts'

before(() => {
  otel.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
})

function traced() {
  const tenancy = watchedDoor()
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [tenantSpans(tenancy), new SimpleSpanProcessor(exporter)] })
  return { tenancy, exporter, tracer: provider.getTracer('test') }
}

const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
const ofBob = createTenantContext({ tenant: bob, requestId: 'request-1', trace: { traceparent, tracestate: undefined } })
const cost = { context: ofBob, waitMs: 1, heldMs: 250, statements: 2, rows: 3, bytesSent: 10, bytesReceived: 100 }

test('every span that begins in a tenant’s scope says whose it is; others say nothing', () => {
  const { tenancy, exporter, tracer } = traced()
  tracer.startSpan('outside').end()
  tenancy.scope.run(ofBob, () => tracer.startSpan('inside').end())
  const [outside, inside] = exporter.getFinishedSpans()
  assert.deepEqual(outside?.attributes, {})
  assert.deepEqual(inside?.attributes, {
    'partywall.tenant.id': bob.id,
    'partywall.tenant.plan': 'free',
    'partywall.tenant.placement': 'pooled',
    'partywall.request.id': 'request-1',
  })
})

test('a lease is a span of its length in the trace that the request came with, or in the one that is active', () => {
  const { exporter, tracer } = traced()
  const observer = tracingObserver(tracer)
  observer.onLease?.(cost)
  const active = tracer.startSpan('active')
  otel.with(trace.setSpan(otel.active(), active), () => observer.onLease?.(cost))
  const [own, child] = exporter.getFinishedSpans()
  assert.equal(own?.spanContext().traceId, 'a'.repeat(32))
  assert.equal(own?.parentSpanContext?.spanId, 'b'.repeat(16))
  assert.equal(child?.parentSpanContext?.spanId, active.spanContext().spanId)
  assert.equal(own?.attributes['partywall.rows'], 3)
  const [seconds, nanos] = own?.duration ?? [0, 0]
  assert.ok(seconds === 0 && nanos > 200e6 && nanos < 900e6, `${seconds} ${nanos}`)
  assert.ok(!JSON.stringify(own?.attributes).includes('select'))
})

test('a job’s handler goes on with the trace of the request that asked for it', async () => {
  const { exporter, tracer } = traced()
  await inTrace(ofBob, async () => {
    await new Promise(setImmediate)
    tracer.startSpan('in the handler').end()
  })
  tracingObserver(tracer).onWork?.({ kind: 'job', tenant: bob, name: 'report', ms: 5, outcome: 'failed' })
  const [inside, job] = exporter.getFinishedSpans()
  assert.equal(inside?.spanContext().traceId, 'a'.repeat(32))
  assert.deepEqual([job?.name, job?.status.code, job?.attributes['partywall.work.name']], ['partywall.job', 2, 'report'])
})
