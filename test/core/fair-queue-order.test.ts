import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FairQueue } from '../../src/core/fair-queue.ts'
import type { Slot } from '../../src/core/slot.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { observe, queueUnderTest, settle, take } from '../support/queue-under-test.ts'

test('connection time, not the number of calls, is shared: by weight', async (t) => {
  // One slot, so that the cap plays no part. eve's calls take ten times as long as bob's; carol's plan weighs three times as much.
  const { queue, clock } = queueUnderTest(t, { slots: 1, tenantWaitingMax: 10_000 })
  const plans = { bob: { holdMs: 1, weight: 1 }, carol: { holdMs: 2, weight: 3 }, eve: { holdMs: 10, weight: 1 } }
  const used = { bob: 0, carol: 0, eve: 0 }
  const [start] = take(queue, 'alice', 1)
  const workers = (Object.keys(plans) as (keyof typeof plans)[]).flatMap((name) =>
    Array.from({ length: 5 }, async () => {
      while (clock.monotonic() < 5_000) {
        const slot = await queue.acquire(name, { weight: plans[name].weight })
        clock.advance(plans[name].holdMs)
        used[name] += plans[name].holdMs
        slot.release()
      }
    }),
  )
  start?.release()
  await Promise.all(workers)
  const share = (name: keyof typeof used) => used[name] / 5_000
  assert.ok(Math.abs(share('bob') - 0.2) < 0.02, `bob ${share('bob')}`)
  assert.ok(Math.abs(share('carol') - 0.6) < 0.03, `carol ${share('carol')}`)
  assert.ok(Math.abs(share('eve') - 0.2) < 0.02, `eve ${share('eve')}`)
})

test('idleness earns no credit: who comes back does not shut out who stayed', async (t) => {
  const { queue, clock } = queueUnderTest(t, { slots: 1, contentionWindowMs: 100_000 })
  queue.tryAcquire('bob')?.release()
  const counts = { bob: 0, carol: 0 }
  const work = (name: keyof typeof counts, until: number) =>
    Array.from({ length: 5 }, async () => {
      while (clock.monotonic() < until) {
        const slot = await queue.acquire(name)
        clock.advance(1)
        counts[name] += 1
        slot.release()
      }
    })
  await Promise.all(work('carol', 1_000))
  counts.carol = 0
  await Promise.all([...work('carol', 1_200), ...work('bob', 1_200)])
  assert.ok(counts.bob + counts.carol >= 190)
  assert.ok(Math.abs(counts.bob - counts.carol) <= 12, JSON.stringify(counts))
})

test('beside others a flood has its share and no more; a tenant with a few calls at once has two slots', async (t) => {
  const { queue } = queueUnderTest(t, { slots: 10 })
  const others = ['bob', 'carol', 'dave', 'erin'].flatMap((name) => take(queue, name, 1))
  const few = Array.from({ length: 4 }, () => observe(queue.acquire('few')))
  const flood = Array.from({ length: 40 }, () => observe(queue.acquire('flood')))
  await settle()
  const running = (calls: readonly { readonly slot?: Slot }[]) => calls.filter((call) => call.slot !== undefined)
  assert.equal(running(few).length, 2)
  // The first calls of a flood are not known for one yet.
  assert.equal(running(flood).length, 2)
  for (const { slot } of running(flood)) slot?.release()
  await settle()
  assert.equal(running(flood).length, 3)
  for (const slot of others) slot.release()
  queue.close()
})

test('who has had more than its share is overtaken for a while, not for as long as newcomers keep coming', async (t) => {
  const { queue, pass } = queueUnderTest(t, { slots: 1, reservedSlots: 0, contentionWindowMs: 100 })
  const busy = queue.tryAcquire('busy')
  assert.ok(busy)
  pass(20)
  const first = observe(queue.acquire('newcomer 0'))
  const waiting = observe(queue.acquire('busy'))
  busy.release()
  await settle()
  const newcomers = [first, observe(queue.acquire('newcomer 1'))]
  let overtaken = 0
  // Each release is met by a tenant that has had nothing yet.
  for (; waiting.slot === undefined && overtaken < 500; overtaken += 1) {
    newcomers.push(observe(queue.acquire(`newcomer ${overtaken + 2}`)))
    const running = newcomers.findIndex((newcomer) => newcomer.slot !== undefined)
    pass(1)
    newcomers.splice(running, 1)[0]?.slot?.release()
    await settle()
  }
  assert.ok(waiting.slot, `overtaken ${overtaken} times`)
})

test('among equals, first come, first served', async (t) => {
  const { queue } = queueUnderTest(t, { slots: 1, reservedSlots: 0 })
  const held = queue.tryAcquire('first')
  assert.ok(held)
  const order: string[] = []
  const names = ['bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi']
  const waits = names.map(async (name) => {
    const slot = await queue.acquire(name)
    order.push(name)
    slot.release()
  })
  held.release()
  await Promise.all(waits)
  assert.deepEqual(order, names)
})

test('1,000,000 calls of 100,000 tenants leave no more state than the bound', () => {
  const clock = new ManualClock()
  const queue = new FairQueue({ slots: 10, clock, idleTenantsMax: 5_000 })
  let most = 0
  for (let call = 0; call < 1_000_000; call += 1) {
    const slot = queue.tryAcquire(`tenant-${(call * 7919) % 100_000}`)
    assert.ok(slot)
    clock.advance(0.01)
    slot.release()
    most = Math.max(most, queue.stats().tenants)
  }
  assert.ok(most <= 5_001, `${most} tenants in memory`)
  clock.advance(1_000)
  for (let call = 0; call < 1_000; call += 1) queue.tryAcquire('bob')?.release()
  assert.deepEqual(queue.stats(), { slots: 10, inUse: 0, waiting: 0, tenants: 1, idleTenants: 1 })
})

type Step =
  | { readonly kind: 'acquire'; readonly tenant: number; readonly weight: number; readonly deadlineMs: number }
  | { readonly kind: 'try'; readonly tenant: number; readonly weight: number }
  | { readonly kind: 'release'; readonly which: number }
  | { readonly kind: 'abort'; readonly which: number }
  | { readonly kind: 'pass'; readonly ms: number }

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('acquire' as const),
      tenant: fc.nat(4),
      weight: fc.constantFrom(0.5, 1, 3),
      deadlineMs: fc.constantFrom(0, 30, 5_000),
    }),
    fc.record({ kind: fc.constant('try' as const), tenant: fc.nat(4), weight: fc.constantFrom(0.5, 1, 3) }),
    fc.record({ kind: fc.constant('release' as const), which: fc.nat(50) }),
    fc.record({ kind: fc.constant('abort' as const), which: fc.nat(50) }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1, 20, 600) }),
  ),
  { maxLength: 120 },
)

test('whatever the interleaving: never more slots than there are, no lost wake-up, everybody gets an answer, in order', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  await fc.assert(
    fc.asyncProperty(steps, fc.constantFrom(1, 2, 4, 10), async (sequence, slots) => {
      const clock = new ManualClock()
      const queue = new FairQueue({ slots, clock, tenantWaitingMax: 5, waitingMax: 12, idleTenantsMax: 3 })
      const held: Slot[] = []
      const pending = new Map<AbortController, { tenant: string; number: number }>()
      const latest = new Map<string, number>()
      let asked = 0
      let answered = 0

      const perform = (step: Step) => {
        if (step.kind === 'try') {
          const slot = queue.tryAcquire(`t${step.tenant}`, step.weight)
          if (slot !== undefined) held.push(slot)
        } else if (step.kind === 'release') {
          held.splice(step.which % Math.max(1, held.length), 1)[0]?.release()
        } else if (step.kind === 'abort') {
          ;[...pending.keys()][step.which % Math.max(1, pending.size)]?.abort()
        } else if (step.kind === 'pass') {
          clock.advance(step.ms)
          t.mock.timers.tick(step.ms)
        } else {
          asked += 1
          const controller = new AbortController()
          const entry = { tenant: `t${step.tenant}`, number: asked }
          pending.set(controller, entry)
          const { weight, deadlineMs } = step
          queue.acquire(entry.tenant, { weight, deadlineMs, signal: controller.signal }).then(
            (slot) => {
              held.push(slot)
              answered += 1
              pending.delete(controller)
              assert.ok(entry.number > (latest.get(entry.tenant) ?? 0), 'first come, first served within a tenant')
              latest.set(entry.tenant, entry.number)
            },
            () => {
              answered += 1
              pending.delete(controller)
            },
          )
        }
      }

      for (const step of sequence) {
        perform(step)
        await settle()
        const stats = queue.stats()
        assert.equal(stats.inUse, held.length)
        assert.equal(stats.waiting, pending.size)
        assert.ok(stats.inUse <= slots)
        assert.ok(stats.waiting <= 12)
        assert.ok(stats.idleTenants <= 3)
        // A lone slot cannot be withheld by a cap, so with one a free slot and a waiter never coexist.
        if (slots === 1) assert.ok(stats.inUse === 1 || stats.waiting === 0)
      }
      for (let round = 0; held.length > 0 || pending.size > 0; round += 1) {
        assert.ok(round < 200, 'somebody waits for ever')
        held.pop()?.release()
        if (held.length === 0) perform({ kind: 'pass', ms: 20 })
        await settle()
      }
      assert.equal(answered, asked)
      perform({ kind: 'pass', ms: 1_000 })
      queue.tryAcquire('last')?.release()
      assert.deepEqual(queue.stats(), { slots, inUse: 0, waiting: 0, tenants: 1, idleTenants: 1 })
    }),
    { numRuns: 300 },
  )
})
