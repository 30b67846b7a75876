import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { createTenantContext } from '../../src/core/tenant-context.ts'
import { type UsageBatch, UsageMeter } from '../../src/core/usage-meter.ts'
import { bob, carol } from '../support/door-cast.ts'

function metered() {
  const batches: UsageBatch[] = []
  const stalled: unknown[] = []
  const state: { isDown: boolean; release?: () => void } = { isDown: false }
  const meter = new UsageMeter({
    clock: systemClock,
    onStalled: (error) => void stalled.push(error),
    log: {
      add: async (batch) => {
        batches.push(batch)
        if (state.isDown) throw new TypeError('down')
      },
    },
  })
  const use = (tenant = bob, statements = 1) =>
    meter.onLease({
      context: createTenantContext({ tenant }),
      statements,
      rows: 0,
      heldMs: 0.25,
      waitMs: 0,
      bytesSent: 1,
      bytesReceived: 1,
    })
  return { meter, batches, stalled, state, use }
}

test('amounts of a tenant are one; what there is none of is not written', async () => {
  const { meter, batches, use } = metered()
  await meter.flush()
  assert.equal(batches.length, 0)
  use()
  use()
  use(carol, 5)
  meter.onWork({ kind: 'event', tenant: carol, name: 'x', ms: 3, outcome: 'failed' })
  await meter.flush()
  assert.equal(batches.length, 1)
  const [batch] = batches as [UsageBatch]
  assert.equal(batch.amounts.get(bob.id)?.statements, 2)
  assert.equal(batch.amounts.get(bob.id)?.database_ms, 0.5)
  assert.deepEqual([batch.amounts.get(carol.id)?.events, batch.amounts.get(carol.id)?.event_ms], [1, 3])
})

test('what could not be written is sent again as it was, under its number; what came meanwhile, behind it', async () => {
  const { meter, batches, stalled, state, use } = metered()
  state.isDown = true
  use()
  await meter.flush()
  use()
  use()
  await meter.flush()
  assert.deepEqual(
    batches.map(({ number, amounts }) => [number, amounts.get(bob.id)?.statements]),
    [
      [1, 1],
      [1, 1],
    ],
  )
  assert.equal(stalled.length, 2)
  state.isDown = false
  await meter.flush()
  assert.deepEqual(
    batches.slice(2).map(({ number, amounts }) => [number, amounts.get(bob.id)?.statements]),
    [
      [1, 1],
      [2, 2],
    ],
  )
  assert.equal(new Set(batches.map(({ source }) => source)).size, 1)
  await meter.close()
})
