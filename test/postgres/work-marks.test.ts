import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { TenantId } from '../../src/core/tenant.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { PostgresWorkMarks } from '../../src/postgres/work-marks.ts'
import { testDatabase } from '../support/database.ts'

const one = '0192aaaa-0000-7000-8000-000000000001' as TenantId
const two = '0192aaaa-0000-7000-8000-000000000002' as TenantId
const take = { tenantsMax: 10, holdMs: 60_000, exceptFor: [] }

async function stage(t: TestContext) {
  const database = await testDatabase(t)
  const control = new ControlPool({ connectionString: database.urls.gatekeeper, applicationName: 'marks' })
  t.after(() => control.close())
  return { database, marks: new PostgresWorkMarks(control), control }
}

/** As if everything had been marked long ago. */
const age = `update partywall.work_marks set marked_at = marked_at - interval '3 minutes'`

test('a mark is taken by one, and is gone when there is no more work', async (t) => {
  const { marks, database } = await stage(t)
  await Promise.all([marks.mark('job', one), marks.mark('job', one), marks.mark('event', two)])
  const taken = await Promise.all([marks.take('job', take), marks.take('job', take)])
  const [mark] = taken.flat()
  assert.equal(taken.flat().length, 1)
  assert.equal(mark?.tenantId, one)
  await database.superuser.query(age)
  await marks.settle('job', mark as NonNullable<typeof mark>, undefined)
  assert.deepEqual(await database.superuser.query('select kind, tenant_id from partywall.work_marks'), [{ kind: 'event', tenant_id: two }])
})

test('a mark is due when it says, and again when its visitor says', async (t) => {
  const { marks } = await stage(t)
  await marks.mark('job', one, 60_000)
  assert.deepEqual(await marks.take('job', take), [])
  await marks.mark('job', one)
  const [mark] = await marks.take('job', take)
  assert.ok(mark)
  await marks.settle('job', mark, 0)
  const [again] = await marks.take('job', take)
  assert.equal(again?.tenantId, one)
  assert.notEqual(again?.hold, mark.hold)
})

test('what is marked while it is held is due again, whatever its visitor says', async (t) => {
  const { marks, database } = await stage(t)
  await marks.mark('job', one)
  const [mark] = await marks.take('job', take)
  assert.ok(mark)
  await marks.mark('job', one)
  await database.superuser.query(age)
  await marks.settle('job', mark, undefined)
  assert.equal((await marks.take('job', take)).length, 1)
})

test('a young mark outlives a visit that finds nothing: its transaction may not have been committed yet', async (t) => {
  const { marks, database } = await stage(t)
  await marks.mark('job', one)
  const [mark] = await marks.take('job', take)
  assert.ok(mark)
  await marks.settle('job', mark, undefined)
  const [kept] = await database.superuser.query<{ soon: boolean }>(
    `select due_at between clock_timestamp() and clock_timestamp() + interval '2 seconds' as soon from partywall.work_marks`,
  )
  assert.deepEqual(kept, { soon: true })
})

test('a hold that is over is another’s, and who had it settles nothing', async (t) => {
  const { marks, database } = await stage(t)
  await marks.mark('job', one)
  const [late] = await marks.take('job', { ...take, holdMs: 1 })
  assert.ok(late)
  await new Promise((resolve) => setTimeout(resolve, 5))
  const [mark] = await marks.take('job', take)
  assert.ok(mark)
  await database.superuser.query(age)
  await marks.settle('job', late, undefined)
  await marks.settle('job', mark, 0)
  assert.equal((await marks.take('job', take)).length, 1)
})

test('those who are excepted are left, and those who waited longest come first', async (t) => {
  const { marks } = await stage(t)
  await marks.mark('job', two)
  await marks.mark('job', one)
  assert.deepEqual(
    (await marks.take('job', { ...take, tenantsMax: 1 })).map(({ tenantId }) => tenantId),
    [two],
  )
  assert.deepEqual(await marks.take('job', { ...take, exceptFor: [one] }), [])
})

test('a sweep marks every tenant that is served, once for all who ask', async (t) => {
  const { marks, database } = await stage(t)
  await database.superuser.query(
    `insert into partywall.tenants (id, slug, name, status) values ($1, 'one', 'One', 'active'), ($2, 'two', 'Two', 'suspended')`,
    [one, two],
  )
  const swept = await Promise.all([marks.sweep('job', 3_600_000), marks.sweep('job', 3_600_000)])
  assert.deepEqual(swept.toSorted(), [false, true])
  assert.deepEqual(await database.superuser.query('select kind, tenant_id from partywall.work_marks'), [{ kind: 'job', tenant_id: one }])
})

test('only the gatekeeper marks: an application’s login has no way to them', async (t) => {
  const { database } = await stage(t)
  const app = new ControlPool({ connectionString: database.urls.app, applicationName: 'app' })
  t.after(() => app.close())
  await assert.rejects(app.query(`select partywall.mark_work('job', '{${one}}', '{0}')`), { code: '42501' })
  await assert.rejects(app.query('select * from partywall.work_marks'), { code: '42501' })
})
