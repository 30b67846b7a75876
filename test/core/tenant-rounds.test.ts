import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { TenantId } from '../../src/core/tenant.ts'
import { type RoundsWork, TenantRounds } from '../../src/core/tenant-rounds.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { PostgresWorkMarks } from '../../src/postgres/work-marks.ts'
import { testDatabase } from '../support/database.ts'

const one = '0192aaaa-0000-7000-8000-000000000001' as TenantId
const two = '0192aaaa-0000-7000-8000-000000000002' as TenantId

async function stage(t: TestContext, work: Partial<RoundsWork>) {
  const database = await testDatabase(t)
  const control = new ControlPool({ connectionString: database.urls.gatekeeper, applicationName: 'rounds' })
  const marks = new PostgresWorkMarks(control)
  const visits: { readonly tenantId: TenantId; readonly share: number }[] = []
  const errors: unknown[] = []
  const rounds = new TenantRounds({
    kind: 'job',
    marks,
    pollMs: 10,
    work: {
      free: () => 8,
      sharers: (free) => free,
      full: () => [],
      ...work,
      visit: async (tenantId, share) => {
        visits.push({ tenantId, share })
        return await work.visit?.(tenantId, share)
      },
      onError: (error) => errors.push(error),
    },
  })
  t.after(async () => {
    await rounds.close()
    await control.close()
  })
  return { database, marks, rounds, visits, errors }
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!holds()) {
    assert.ok(performance.now() < deadline, 'not within ten seconds')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('every tenant with a mark is visited, and the room is shared among them', async (t) => {
  const { marks, rounds, visits } = await stage(t, {})
  await Promise.all([marks.mark('job', one), marks.mark('job', two)])
  rounds.start()
  await until(() => visits.length >= 2)
  assert.deepEqual(visits.slice(0, 2).toSorted(byTenant), [
    { tenantId: one, share: 4 },
    { tenantId: two, share: 4 },
  ])
})

test('a tenant with more work is visited again at once', async (t) => {
  let left = 3
  const { marks, rounds, visits } = await stage(t, { visit: async () => (--left > 0 ? 0 : undefined) })
  await marks.mark('job', one)
  rounds.start()
  await until(() => visits.length >= 3)
})

test('a visit that does not end does not keep the others waiting', async (t) => {
  const stuck = Promise.withResolvers<void>()
  const { marks, rounds, visits } = await stage(t, {
    visit: async (tenantId) => {
      if (tenantId === one) await stuck.promise
      return undefined
    },
  })
  rounds.start()
  await marks.mark('job', one)
  await until(() => visits.length === 1)
  await marks.mark('job', two)
  await until(() => visits.some(({ tenantId }) => tenantId === two))
  stuck.resolve()
})

test('a visit that fails is told, and tried again', async (t) => {
  let failures = 2
  const { marks, rounds, visits, errors } = await stage(t, {
    visit: async () => {
      if (failures-- > 0) throw new RangeError('down')
      return undefined
    },
  })
  await marks.mark('job', one)
  rounds.start()
  await until(() => visits.length >= 3)
  assert.deepEqual(errors.map(String), ['RangeError: down', 'RangeError: down'])
})

test('no tenant is visited without room, or while what it may have at once is under way', async (t) => {
  let free = 0
  const { marks, rounds, visits } = await stage(t, { free: () => free, full: () => [one] })
  await Promise.all([marks.mark('job', one), marks.mark('job', two)])
  rounds.start()
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.deepEqual(visits, [])
  free = 2
  rounds.wake()
  await until(() => visits.length > 0)
  assert.deepEqual([...new Set(visits.map(({ tenantId }) => tenantId))], [two])
})

test('new work of this process is visited without waiting for its mark', async (t) => {
  const { rounds, visits } = await stage(t, {})
  rounds.start()
  rounds.wake(one)
  await until(() => visits.length === 1)
})

test('closing waits for the visits, and no other begins', async (t) => {
  const stuck = Promise.withResolvers<void>()
  let isOver = false
  const { marks, rounds, visits } = await stage(t, {
    visit: async () => {
      await stuck.promise
      isOver = true
      return 0
    },
  })
  await marks.mark('job', one)
  rounds.start()
  await until(() => visits.length === 1)
  const closed = rounds.close()
  stuck.resolve()
  await closed
  assert.equal(isOver, true)
  assert.equal(visits.length, 1)
})

function byTenant(a: { readonly tenantId: string }, b: { readonly tenantId: string }): number {
  return a.tenantId < b.tenantId ? -1 : 1
}
