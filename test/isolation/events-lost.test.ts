// What a consumer leaves behind that died, where this run's tenants live.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fixedSealKeys } from '../../src/core/seal-keys.ts'
import { eventSubscriber, on } from '../../src/resources/events/event-subscriber.ts'
import { tenantEvent } from '../../src/resources/events/tenant-event.ts'
import { stage } from '../support/cast.ts'
import { anything } from '../support/schemas.ts'

const created = tenantEvent('document.created', anything<string>())
const lose = `
  insert into event_subscribers (tenant_id, name, types, hold, held_until)
  values ($1, 'deadly', '{document.created}', gen_random_uuid(), now())
      on conflict (tenant_id, name) do update set hold = excluded.hold, held_until = excluded.held_until`

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'not within twenty seconds')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

test('after a consumer died, an attempt is counted before it begins, and what was begun too often is dead', async (t) => {
  const { bob, alice, aliceIn, tenancy, migrate } = await stage(t, {
    events: { source: 'test', keys: fixedSealKeys([{ id: 'k-1', secret: Buffer.alloc(32, 1) }]) },
  })
  await migrate('select partywall.create_events()')
  const counted: unknown[] = []
  let runs = 0
  const reaction = on(created, async () => {
    runs += 1
    counted.push(...(await alice('select attempt, died_at from event_deliveries')))
  })
  const subscriber = eventSubscriber('deadly', [reaction], { attemptsMax: 10 })
  const publish = async (): Promise<unknown> => await tenancy.run(bob.id, () => tenancy.events().publish(created, 'x'))
  const dead = async () => (await tenancy.run(bob.id, () => tenancy.events().dead())).events

  await aliceIn(bob, lose, [bob.id])
  await publish()
  const consumer = tenancy.startConsumer({ subscribers: [subscriber], pollMs: 20 })
  await until(async () => (await alice('select 1 from outbox_events')).length === 0)
  await consumer.close()
  assert.deepEqual(counted, [{ attempt: 1, died_at: null }])
  assert.deepEqual(await alice('select 1 from event_deliveries'), [])

  await publish()
  await aliceIn(
    bob,
    `insert into event_deliveries (tenant_id, subscriber, event_id, seq, line, attempt, due_at)
     select tenant_id, 'deadly', id, seq, '', 10, now() from outbox_events`,
  )
  await aliceIn(bob, lose, [bob.id])
  tenancy.startConsumer({ subscribers: [subscriber], pollMs: 20 })
  await until(async () => (await dead()).length === 1)
  assert.equal((await dead())[0]?.attempts, 10)
  assert.equal(runs, 1)
})
