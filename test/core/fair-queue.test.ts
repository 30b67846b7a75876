import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { test } from 'node:test'
import { FairQueue } from '../../src/core/fair-queue.ts'
import type { FairQueueOptions } from '../../src/core/fair-queue-bounds.ts'
import {
  AbortedError,
  AdmissionTimeoutError,
  ClosedError,
  ConfigurationError,
  OverloadedError,
  type TenancyError,
  TenantBusyError,
} from '../../src/errors.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { observe, queueUnderTest, settle, take } from '../support/queue-under-test.ts'

test('a free slot is given at once, and a second release gives nothing back twice', (t) => {
  const { queue } = queueUnderTest(t, { slots: 1 })
  const slot = queue.tryAcquire('bob')
  assert.ok(slot)
  assert.equal(queue.tryAcquire('bob'), undefined)
  slot.release()
  slot.release()
  assert.equal(queue.stats().inUse, 0)
  assert.ok(queue.tryAcquire('bob'))
  assert.equal(queue.tryAcquire('bob'), undefined)
})

test('a lone tenant has the pool but for the reserve, and a newcomer is served at once', (t) => {
  const { queue } = queueUnderTest(t, { slots: 10 })
  take(queue, 'eve', 9)
  assert.equal(queue.tryAcquire('eve'), undefined)
  assert.ok(queue.tryAcquire('bob'))
})

test('beside another tenant the cap falls to a share, and rises again when the other has gone', async (t) => {
  const { queue, pass } = queueUnderTest(t, { slots: 10, contentionWindowMs: 500 })
  queue.tryAcquire('bob')?.release()
  take(queue, 'eve', 4)
  assert.equal(queue.tryAcquire('eve'), undefined)
  const waiting = observe(queue.acquire('eve'))
  await settle()
  assert.equal(waiting.slot, undefined)
  pass(501)
  await settle()
  assert.ok(waiting.slot, 'the end of the contention window wakes whoever waits at its cap')
  take(queue, 'eve', 4)
  assert.equal(queue.tryAcquire('eve'), undefined)
})

test('the cap follows the weights, and never falls below its minimum', (t) => {
  const { queue } = queueUnderTest(t, { slots: 10, tenantSlotsMin: 1 })
  queue.tryAcquire('bob', 1)
  queue.tryAcquire('carol', 3)
  let held = 1
  while (queue.tryAcquire('carol', 3) !== undefined) held += 1
  assert.equal(held, 6)
  assert.ok(queue.tryAcquire('bob', 1))
  assert.equal(queue.tryAcquire('bob', 1), undefined)
  for (let index = 0; index < 50; index += 1) queue.tryAcquire(`t${index}`)
  assert.equal(queue.stats().inUse, 10)
})

test('an upper bound under contention holds only under contention', (t) => {
  const { queue, pass } = queueUnderTest(t, { slots: 10, tenantSlotsContendedMax: 2 })
  queue.tryAcquire('bob')?.release()
  take(queue, 'eve', 2)
  assert.equal(queue.tryAcquire('eve'), undefined)
  pass(501)
  take(queue, 'eve', 7)
})

test('after a flood the next free slot goes to the quiet tenant, not to the head of the flood', async (t) => {
  const { queue, pass } = queueUnderTest(t, { slots: 2, tenantSlotsMin: 2 })
  const held = take(queue, 'eve', 2)
  const flood = Array.from({ length: 100 }, () => observe(queue.acquire('eve')))
  const bob = observe(queue.acquire('bob'))
  pass(5)
  held[0]?.release()
  await settle()
  assert.ok(bob.slot)
  assert.equal(flood.filter((waiter) => waiter.slot).length, 0)
})

test('within a tenant, first come, first served', async (t) => {
  const { queue } = queueUnderTest(t, { slots: 1 })
  const [held] = take(queue, 'bob', 1)
  const order: number[] = []
  const all = [0, 1, 2, 3, 4].map(async (index) => {
    const slot = await queue.acquire('bob')
    order.push(index)
    slot.release()
  })
  held?.release()
  await Promise.all(all)
  assert.deepEqual(order, [0, 1, 2, 3, 4])
})

test('a tenant with too many waiting is told so, and its neighbour is not', async (t) => {
  const { queue } = queueUnderTest(t, { slots: 1, tenantWaitingMax: 2 })
  take(queue, 'eve', 1)
  observe(queue.acquire('eve'))
  observe(queue.acquire('eve'))
  await assert.rejects(queue.acquire('eve'), (error: TenancyError) => {
    assert.ok(error instanceof TenantBusyError)
    assert.equal(error.status, 429)
    assert.match(error.message, /tenantWaitingMax 2/)
    assert.deepEqual(error.details, { bound: 'tenantWaitingMax', value: 2, tenantId: 'eve' })
    assert.doesNotMatch(error.publicMessage, /eve|2/)
    return true
  })
  const bob = observe(queue.acquire('bob'))
  await settle()
  assert.equal(bob.error, undefined)
  queue.close()
})

test('a flood cannot fill the whole queue, many tenants can', async (t) => {
  const { queue } = queueUnderTest(t, { slots: 1, waitingMax: 8 })
  take(queue, 'alice', 1)
  const flood = Array.from({ length: 8 }, () => observe(queue.acquire('eve')))
  await settle()
  assert.equal(queue.stats().waiting, 4)
  assert.deepEqual(flood.at(-1)?.error?.details, { bound: 'waitingMax', value: 8, room: 4, tenantId: 'eve' })
  assert.ok(flood.at(-1)?.error instanceof TenantBusyError)
  for (const name of ['bob', 'carol', 'dave', 'frank']) observe(queue.acquire(name))
  await assert.rejects(queue.acquire('grace'), (error: TenancyError) => {
    assert.ok(error instanceof OverloadedError)
    assert.equal(error.status, 503)
    assert.match(error.message, /waitingMax 8/)
    assert.deepEqual(error.details, { bound: 'waitingMax', value: 8 })
    return true
  })
  queue.close()
})

test('a call that waits until its deadline is refused, the others stay', async (t) => {
  const { queue, pass } = queueUnderTest(t, { slots: 1, deadlineMs: 1_000 })
  const [held] = take(queue, 'bob', 1)
  const patient = observe(queue.acquire('bob'))
  const hasty = observe(queue.acquire('carol', { deadlineMs: 50 }))
  pass(60)
  await settle()
  assert.ok(hasty.error instanceof AdmissionTimeoutError)
  assert.equal(hasty.error.status, 503)
  assert.deepEqual(hasty.error.details, { bound: 'deadlineMs', value: 50, tenantId: 'carol' })
  assert.equal(patient.error, undefined)
  held?.release()
  await settle()
  assert.ok(patient.slot)
  const late = observe(queue.acquire('bob'))
  pass(1_010)
  await settle()
  assert.ok(late.error instanceof AdmissionTimeoutError)
  assert.equal(queue.stats().waiting, 0)
})

test('a slot that comes free after the deadline is not given to a caller who has gone', async (t) => {
  const clock = new ManualClock()
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const queue = new FairQueue({ slots: 1, deadlineMs: 100, clock })
  const [held] = take(queue, 'bob', 1)
  const late = observe(queue.acquire('carol'))
  const inTime = observe(queue.acquire('dave', { deadlineMs: 1_000 }))
  clock.advance(200) // The timer has not fired: the event loop was busy.
  held?.release()
  await settle()
  assert.ok(late.error instanceof AdmissionTimeoutError)
  assert.ok(inTime.slot)
})

test('a caller who gives up leaves the line, and one who has gone before never enters it', async (t) => {
  const { queue } = queueUnderTest(t, { slots: 1 })
  const [held] = take(queue, 'bob', 1)
  const controller = new AbortController()
  const first = observe(queue.acquire('bob', { signal: controller.signal }))
  const second = observe(queue.acquire('bob'))
  controller.abort(new Error('gone'))
  await settle()
  assert.ok(first.error instanceof AbortedError)
  assert.equal((first.error.cause as Error).message, 'gone')
  await assert.rejects(queue.acquire('bob', { signal: controller.signal }), AbortedError)
  held?.release()
  await settle()
  assert.ok(second.slot)
  assert.deepEqual(queue.stats(), { slots: 1, inUse: 1, waiting: 0, tenants: 1, idleTenants: 0 })
})

test('a signal that fires after the slot was given takes nothing away', async (t) => {
  const { queue } = queueUnderTest(t, { slots: 1 })
  const [held] = take(queue, 'bob', 1)
  const controller = new AbortController()
  const waiting = queue.acquire('bob', { signal: controller.signal })
  held?.release()
  const slot = await waiting
  controller.abort()
  assert.equal(queue.stats().inUse, 1)
  slot.release()
  assert.equal(queue.stats().inUse, 0)
})

test('closing refuses whoever waits and whoever comes, and lets whoever works finish', async (t) => {
  const { queue } = queueUnderTest(t, { slots: 1 })
  const [held] = take(queue, 'bob', 1)
  const waiting = observe(queue.acquire('carol'))
  queue.close()
  await settle()
  assert.ok(waiting.error instanceof ClosedError)
  await assert.rejects(queue.acquire('bob'), ClosedError)
  assert.throws(() => queue.tryAcquire('bob'), ClosedError)
  held?.release()
  assert.equal(queue.stats().inUse, 0)
})

test('bounds and weights out of range are refused by name', async () => {
  const wrong: Partial<FairQueueOptions>[] = [
    { slots: 0 },
    { slots: 1.5 },
    { reservedSlots: 4 },
    { reservedSlots: -1 },
    { tenantSlotsMin: 0 },
    { tenantWaitingMax: -1 },
    { waitingMax: Number.NaN },
    { deadlineMs: -1 },
    { idleTenantsMax: Number.POSITIVE_INFINITY },
  ]
  for (const options of wrong) {
    assert.throws(() => new FairQueue({ slots: 4, ...options }), ConfigurationError, JSON.stringify(options))
  }
  const queue = new FairQueue({ slots: 4 })
  queue.tryAcquire('bob', 1)?.release()
  for (const weight of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const tenantId of ['bob', 'carol']) assert.throws(() => queue.tryAcquire(tenantId, weight), ConfigurationError)
  }
  await assert.rejects(queue.acquire('bob', { weight: -1 }), ConfigurationError)
  assert.equal(queue.stats().inUse, 0)
})

test('a waiter resumes in its own async context, not in that of whoever released the slot', async (t) => {
  const { queue } = queueUnderTest(t, { slots: 1 })
  const scope = new AsyncLocalStorage<string>()
  const [held] = take(queue, 'alice', 1)
  const asked = (name: string) =>
    scope.run(name, async () => {
      await queue.acquire(name).catch(() => {})
      return scope.getStore()
    })
  const served = asked('bob')
  const refused = asked('carol')
  scope.run('eve', () => {
    held?.release()
    queue.close()
  })
  assert.equal(await served, 'bob')
  assert.equal(await refused, 'carol')
})
