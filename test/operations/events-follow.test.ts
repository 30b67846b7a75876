// Events are their tenant's wherever it goes, and end with it.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fixedSealKeys } from '../../src/core/seal-keys.ts'
import type { Fleet } from '../../src/fleet.ts'
import { eventSubscriber, on } from '../../src/resources/events/event-subscriber.ts'
import { tenantEvent } from '../../src/resources/events/tenant-event.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import { type BackupFleet, backupFleet } from '../support/backups.ts'
import { anything } from '../support/schemas.ts'

const reason = 'A test of events.'
const created = tenantEvent('document.created', anything<string>())

describe('events', () => {
  let stage: BackupFleet
  let fleet: Fleet
  let tenancy: Tenancy
  const had: string[] = []
  let pauseMs = 0
  const follower = eventSubscriber('follower', [
    on(created, async ({ data }) => {
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
      had.push(`${tenancy.current().tenant.slug} ${data}`)
    }),
  ])

  before(async () => {
    stage = await backupFleet({ withServer: false, more: 'select partywall.create_events();' })
    fleet = stage.fleet
    const { gatekeeper, app, migrator } = stage.catalog.urls
    const events = { source: 'https://app.example.com', keys: fixedSealKeys([{ id: 'k-1', secret: Buffer.alloc(32, 1) }]) }
    tenancy = await createTenancy({ catalog: gatekeeper, database: app, admin: migrator, secrets: stage.secrets, events })
  })

  after(async () => {
    await tenancy?.close()
    await stage?.strike()
  })

  const hasHad = async (what: string): Promise<void> => {
    const deadline = performance.now() + 20_000
    while (!had.includes(what)) {
      assert.ok(performance.now() < deadline, `${what} within twenty seconds`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  test('that were published before a move arrive after it, once and in their order', async () => {
    await fleet.tenants.onboard({ slug: 'mover', name: 'mover', plan: 'free' })
    for (const [index, to] of (['schema', 'database', 'pooled'] as const).entries()) {
      await tenancy.run('mover', () => tenancy.events().publish(created, `before ${index}`))
      await fleet.moves.start('mover', { to }, { reason })
      await tenancy.run('mover', () => tenancy.events().publish(created, `while ${index}`))
      await fleet.moves.switch('mover')
      const consumer = tenancy.startConsumer({ subscribers: [follower], pollMs: 20 })
      await hasHad(`mover while ${index}`)
      await consumer.close()
      await fleet.moves.complete('mover')
    }
    assert.deepEqual(
      had,
      [0, 1, 2].flatMap((index) => [`mover before ${index}`, `mover while ${index}`]),
    )
  })

  test('that arrive while their tenant moves arrive in their order', async () => {
    await fleet.tenants.onboard({ slug: 'busy', name: 'busy', plan: 'free' })
    const all = Array.from({ length: 100 }, (_, i) => String(i))
    await tenancy.run('busy', () => tenancy.events().publishAll(created, all))
    had.splice(0)
    pauseMs = 20
    const consumer = tenancy.startConsumer({ subscribers: [follower], pollMs: 20, onError: () => {} })
    await fleet.moves.start('busy', { to: 'schema' }, { reason })
    await fleet.moves.switch('busy')
    await hasHad('busy 99')
    await consumer.close()
    await fleet.moves.complete('busy')
    pauseMs = 0
    // What ran when the place was closed was undone there, and ran again here.
    const firsts = had.filter((what, index) => had.indexOf(what) === index)
    assert.deepEqual(
      firsts,
      all.map((n) => `busy ${n}`),
    )
    assert.ok(had.length <= 102, `${had.length} runs`)
  })

  test('of a tenant that is off-boarded never arrive', async () => {
    await fleet.tenants.onboard({ slug: 'leaver', name: 'leaver', plan: 'free' })
    await tenancy.run('leaver', () => tenancy.events().publish(created, 'too late'))
    had.splice(0)
    await fleet.tenants.offboard('leaver', { reason, now: true })
    const consumer = tenancy.startConsumer({ subscribers: [follower], pollMs: 20 })
    await new Promise((resolve) => setTimeout(resolve, 500))
    await consumer.close()
    assert.deepEqual(had, [])
  })
})
