// The recorder loses nothing that it took: not when a log cannot be written, not when a tenant is elsewhere, not when memory is short.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type AuditFact, entriesOf } from '../../src/core/audit-batch.ts'
import type { AuditAppendOutcome, AuditLog, AuditPayload } from '../../src/core/audit-log.ts'
import { AuditRecorder, type AuditRecorderOptions } from '../../src/core/audit-recorder.ts'
import { systemClock } from '../../src/core/clock.ts'
import { MemoryAuditLog } from '../../src/core/memory-audit-log.ts'
import { MemoryCatalog } from '../../src/core/memory-catalog.ts'
import { parseTenantSlug, type Tenant, type TenantId } from '../../src/core/tenant.ts'
import { AuditUnavailableError, ClosedError } from '../../src/errors.ts'

/** A log that can be made to fail, to answer for a tenant, and to hold its answer back. */
class MoodyLog implements AuditLog {
  readonly kept = new MemoryAuditLog()
  readonly calls: (readonly AuditPayload[])[] = []
  readonly answers = new Map<TenantId, AuditAppendOutcome>()
  /** Written, and the answer is lost. */
  losesAnswers = false
  isDown = false
  gate: Promise<void> | undefined

  groupOf(tenant: Tenant): string {
    return tenant.slug.startsWith('far') ? 'far' : 'near'
  }

  async append(batches: readonly AuditPayload[]): Promise<ReadonlyMap<TenantId, AuditAppendOutcome>> {
    this.calls.push(batches)
    await this.gate
    if (this.isDown) throw new RangeError('down')
    const written = batches.filter(({ tenant }) => (this.answers.get(tenant.id) ?? 'appended') === 'appended')
    await this.kept.append(written)
    if (this.losesAnswers) throw new RangeError('the answer was lost')
    return new Map(batches.map(({ tenant }) => [tenant.id, this.answers.get(tenant.id) ?? 'appended']))
  }

  rowsOf(tenant: Tenant): readonly (number | undefined)[] {
    return this.kept.batchesOf(tenant.id).flatMap((payload) => entriesOf(1n, payload).map(({ rows }) => rows))
  }
}

const catalog = new MemoryCatalog()
const bob = await catalog.create({ slug: parseTenantSlug('bob'), name: 'Bob' })
const carol = await catalog.create({ slug: parseTenantSlug('carol'), name: 'Carol' })
const far = await catalog.create({ slug: parseTenantSlug('far-away'), name: 'Far' })

const by = { actor: { kind: 'user', id: 'ann' } } as const
const of = { operation: 'select' }
const fact = (rows: number): AuditFact => ({ at: systemClock.now(), by, of, outcome: 'done', rows })

function recorderOf(
  t: TestContext,
  options: Partial<AuditRecorderOptions> = {},
): { readonly log: MoodyLog; readonly recorder: AuditRecorder } {
  const log = new MoodyLog()
  const recorder = new AuditRecorder({ log, clock: systemClock, flushEveryMs: 60_000, waitMs: 500, ...options })
  t.after(async () => {
    log.isDown = false
    log.losesAnswers = false
    log.answers.clear()
    await recorder.close()
  })
  return { log, recorder }
}

test('one batch for each tenant and flush, in one call for a group', async (t) => {
  const { log, recorder } = recorderOf(t)
  for (let i = 0; i < 100; i++) for (const tenant of [bob, carol, far]) recorder.record(tenant, fact(i))
  await recorder.flush()
  assert.deepEqual(
    log.calls.map((batches) => batches.map(({ tenant }) => tenant.slug)),
    [['bob', 'carol'], ['far-away']],
  )
  assert.deepEqual(log.rowsOf(bob), [...Array(100).keys()])
  assert.deepEqual({ ...recorder.stats, oldestMs: 0 }, { entries: 0, buffered: 0, oldestMs: 0, appended: 300, missing: 0, failures: 0 })
})

test('it writes by itself, after a while', async (t) => {
  const { log, recorder } = recorderOf(t, { flushEveryMs: 10 })
  recorder.record(bob, fact(1))
  while (log.rowsOf(bob).length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.deepEqual(log.rowsOf(bob), [1])
})

test('what could not be written is kept, told of, and written in the order in which it was recorded', async (t) => {
  const stalled: unknown[] = []
  const { log, recorder } = recorderOf(t, { onStalled: (error) => stalled.push(error) })
  log.isDown = true
  for (let i = 0; i < 5; i++) {
    recorder.record(bob, fact(i))
    await recorder.flush()
  }
  assert.equal(stalled.length, 5)
  assert.equal(recorder.stats.entries, 5)
  log.isDown = false
  await recorder.flush()
  assert.deepEqual(log.rowsOf(bob), [0, 1, 2, 3, 4])
  assert.deepEqual([recorder.stats.entries, recorder.stats.buffered], [0, 0])
})

test('a lost answer makes nothing double, and the log is told that it may be there', async (t) => {
  const { log, recorder } = recorderOf(t)
  log.losesAnswers = true
  recorder.record(bob, fact(1))
  await recorder.flush()
  log.losesAnswers = false
  recorder.record(bob, fact(2))
  await recorder.flush()
  assert.deepEqual(log.rowsOf(bob), [1, 2])
  assert.deepEqual(
    log.calls.map((batches) => batches.some(({ isRetry }) => isRetry)),
    [false, true],
  )
})

test('a tenant that is on its way holds up no other', async (t) => {
  const { log, recorder } = recorderOf(t)
  log.answers.set(carol.id, 'again')
  for (const tenant of [bob, carol]) recorder.record(tenant, fact(1))
  await recorder.flush()
  assert.deepEqual([log.rowsOf(bob), log.rowsOf(carol)], [[1], []])
  log.answers.clear()
  await recorder.flush()
  assert.deepEqual(log.rowsOf(carol), [1])
})

test('a group that hangs holds up no other, and what comes meanwhile is taken', async (t) => {
  const { log, recorder } = recorderOf(t)
  const { promise, resolve } = Promise.withResolvers<void>()
  log.gate = promise
  recorder.record(far, fact(1))
  const flushing = recorder.flush()
  log.gate = undefined
  recorder.record(far, fact(2))
  await recorder.recordFirst(bob, fact(3))
  assert.deepEqual([log.rowsOf(bob), log.rowsOf(far)], [[3], []])
  resolve()
  await flushing
  await recorder.flush()
  assert.deepEqual(log.rowsOf(far), [1, 2])
})

test('past its bound a tenant waits, and no other; when there is room it goes on', async (t) => {
  const { log, recorder } = recorderOf(t, { tenantBufferMax: 1_000 })
  log.isDown = true
  while (recorder.hasRoom(bob.id)) recorder.record(bob, fact(1))
  assert.equal(recorder.hasRoom(carol.id), true)
  await assert.rejects(recorder.admit(bob), AuditUnavailableError)
  const admitted = recorder.admit(bob)
  log.isDown = false
  await admitted
  assert.equal(recorder.hasRoom(bob.id), true)
})

test('past the bound of all everybody waits', async (t) => {
  const { log, recorder } = recorderOf(t, { bufferMax: 1_000 })
  log.isDown = true
  while (recorder.hasRoom(bob.id)) recorder.record(bob, fact(1))
  assert.equal(recorder.hasRoom(carol.id), false)
  await assert.rejects(recorder.admit(carol), AuditUnavailableError)
})

test('what must come first is durable when it resolves, with everything before it; many share a write', async (t) => {
  const { log, recorder } = recorderOf(t)
  recorder.record(bob, fact(0))
  await recorder.recordFirst(bob, fact(1))
  assert.deepEqual(log.rowsOf(bob), [0, 1])
  await Promise.all(Array.from({ length: 50 }, async (_, i) => await recorder.recordFirst(bob, fact(i))))
  assert.equal(log.rowsOf(bob).length, 52)
  assert.ok(log.calls.length <= 4, `${log.calls.length} calls`)
})

test('what must come first and cannot be is refused, and kept', async (t) => {
  const { log, recorder } = recorderOf(t, { waitMs: 100 })
  log.isDown = true
  await assert.rejects(recorder.recordFirst(bob, fact(1)), AuditUnavailableError)
  log.isDown = false
  await recorder.flush()
  assert.deepEqual(log.rowsOf(bob), [1])
})

test('a tenant without a log is told of once, and what is recorded of it is counted', async (t) => {
  const missing: string[] = []
  const { log, recorder } = recorderOf(t, { onMissing: ({ slug }) => missing.push(slug) })
  log.answers.set(bob.id, 'no_log')
  for (let i = 0; i < 3; i++) {
    recorder.record(bob, fact(i))
    await recorder.flush()
  }
  assert.deepEqual(missing, ['bob'])
  assert.equal(recorder.isMissing(bob.id), true)
  await assert.rejects(recorder.recordFirst(bob, fact(4)), /create_audit_log/)
  assert.deepEqual([recorder.stats.missing, recorder.stats.entries, recorder.stats.buffered], [3, 0, 0])
})

test('of a tenant that is gone nothing is kept', async (t) => {
  const { log, recorder } = recorderOf(t)
  log.answers.set(bob.id, 'gone')
  recorder.record(bob, fact(1))
  await recorder.flush()
  assert.deepEqual([recorder.stats.entries, recorder.stats.missing], [0, 1])
})

test('closing tells how much could not be written', async () => {
  const log = new MoodyLog()
  const recorder = new AuditRecorder({ log, clock: systemClock, waitMs: 50, tenantBufferMax: 10 })
  log.isDown = true
  for (let i = 0; i < 3; i++) recorder.record(bob, fact(i))
  recorder.record(carol, fact(1))
  const closing = recorder.close()
  await assert.rejects(recorder.admit(bob), ClosedError)
  await assert.rejects(closing, /4 audit entries of 2 tenants/)
})

test('closing does not wait for a log that never answers', async () => {
  const log = new MoodyLog()
  const recorder = new AuditRecorder({ log, clock: systemClock, waitMs: 50 })
  const { promise, resolve } = Promise.withResolvers<void>()
  log.gate = promise
  recorder.record(bob, fact(1))
  await assert.rejects(recorder.close(), /1 audit entries of 1 tenants/)
  resolve()
})

test('closing leaves no timer that would keep the process alive', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
  const before = timers()
  const recorder = new AuditRecorder({ log: new MoodyLog(), clock: systemClock, waitMs: 60_000 })
  recorder.record(bob, fact(1))
  await recorder.close()
  assert.equal(timers(), before)
})
