// A fair queue whose time and timers are in the test's hands.

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { FairQueue } from '../../src/core/fair-queue.ts'
import type { FairQueueOptions } from '../../src/core/fair-queue-bounds.ts'
import type { Slot } from '../../src/core/slot.ts'
import type { TenancyError } from '../../src/errors.ts'
import { ManualClock } from './manual-clock.ts'

/** Time and timers in the test's hands: both move together. */
export function queueUnderTest(t: TestContext, options: FairQueueOptions) {
  const clock = new ManualClock()
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const queue = new FairQueue({ ...options, clock })
  const pass = (ms: number) => {
    clock.advance(ms)
    t.mock.timers.tick(ms)
  }
  return { queue, clock, pass }
}

/** What has become of a promise, looked at without waiting for it. */
export function observe(promise: Promise<Slot>) {
  const seen: { slot?: Slot; error?: TenancyError } = {}
  promise.then(
    (slot) => {
      seen.slot = slot
    },
    (error: TenancyError) => {
      seen.error = error
    },
  )
  return seen
}

/** Lets every promise that can settle, settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
}

export function take(queue: FairQueue, tenantId: string, count: number): Slot[] {
  return Array.from({ length: count }, () => {
    const slot = queue.tryAcquire(tenantId)
    assert.ok(slot)
    return slot
  })
}
