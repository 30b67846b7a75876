// Jobs are their tenant's wherever it goes, and end with it.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Fleet } from '../../src/fleet.ts'
import { tenantJob } from '../../src/resources/jobs/tenant-job.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import { type BackupFleet, backupFleet } from '../support/backups.ts'
import { anything } from '../support/schemas.ts'

const reason = 'A test of jobs.'

describe('jobs', () => {
  let stage: BackupFleet
  let fleet: Fleet
  let tenancy: Tenancy
  const ran: string[] = []
  const job = tenantJob('follow', anything<string>(), (input) => {
    ran.push(`${tenancy.current().tenant.slug} ${input}`)
  })

  before(async () => {
    stage = await backupFleet({ withServer: false, more: 'select partywall.create_jobs();' })
    fleet = stage.fleet
    const { gatekeeper, app, migrator } = stage.catalog.urls
    tenancy = await createTenancy({ catalog: gatekeeper, database: app, admin: migrator, secrets: stage.secrets })
  })

  after(async () => {
    await tenancy?.close()
    await stage?.strike()
  })

  const hasRun = async (what: string): Promise<void> => {
    const deadline = performance.now() + 20_000
    while (!ran.includes(what)) {
      assert.ok(performance.now() < deadline, `${what} within twenty seconds`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  test('that were enqueued before a move run after it, once', async () => {
    await fleet.tenants.onboard({ slug: 'mover', name: 'mover', plan: 'free' })
    for (const [index, to] of (['schema', 'database', 'pooled'] as const).entries()) {
      await tenancy.run('mover', () => tenancy.jobs().enqueue(job, `before ${index}`))
      await fleet.moves.start('mover', { to }, { reason })
      await tenancy.run('mover', () => tenancy.jobs().enqueue(job, `while ${index}`))
      await fleet.moves.switch('mover')
      const worker = tenancy.startWorker({ jobs: [job], pollMs: 20 })
      await hasRun(`mover before ${index}`)
      await hasRun(`mover while ${index}`)
      await worker.close()
      await fleet.moves.complete('mover')
      assert.deepEqual((await tenancy.run('mover', () => tenancy.jobs().list())).jobs, [])
    }
    assert.equal(ran.length, 6)
  })

  test('that run while their tenant moves run once each', async () => {
    await fleet.tenants.onboard({ slug: 'busy', name: 'busy', plan: 'free' })
    const inputs = Array.from({ length: 200 }, (_, i) => String(i))
    await tenancy.run('busy', () => tenancy.jobs().enqueueAll(job, inputs))
    ran.splice(0)
    const worker = tenancy.startWorker({ jobs: [tenantJob('follow', anything<string>(), slowly)], pollMs: 20, onError: () => {} })
    async function slowly(input: string): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, 20))
      ran.push(`busy ${input}`)
    }
    await fleet.moves.start('busy', { to: 'schema' }, { reason })
    await fleet.moves.switch('busy')
    await hasRun('busy 199')
    await Promise.all(inputs.map((input) => hasRun(`busy ${input}`)))
    await worker.close()
    await fleet.moves.complete('busy')
    assert.equal(new Set(ran).size, 200)
    assert.equal(ran.length, 200)
  })

  test('of a tenant that is off-boarded never run', async () => {
    await fleet.tenants.onboard({ slug: 'leaver', name: 'leaver', plan: 'free' })
    await tenancy.run('leaver', () => tenancy.jobs().enqueue(job, 'too late', { delayMs: 200 }))
    ran.splice(0)
    await fleet.tenants.offboard('leaver', { reason, now: true })
    const worker = tenancy.startWorker({ jobs: [job], pollMs: 20 })
    await new Promise((resolve) => setTimeout(resolve, 500))
    await worker.close()
    assert.deepEqual(ran, [])
  })
})
