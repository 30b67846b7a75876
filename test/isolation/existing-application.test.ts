// docs/guides/existing-application.md, run as it stands: an application with bigint accounts is put behind the wall table by table,
// while its old login goes on working.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { createTenancy } from '../../src/tenancy.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const guide = readFileSync(new URL('../../docs/guides/existing-application.md', import.meta.url), 'utf8')
const steps = [...guide.matchAll(/```sql\n([\s\S]*?)```/g)].map((match) => match[1]!)
const [start, beside, ids, customers, orders, close] = steps

/** A role of this test's own in the place of `shop`: roles belong to the whole server. */
async function oldLogin(t: TestContext, { superuser }: TestDatabase): Promise<(step: string | undefined) => Promise<void>> {
  const shop = `test_shop_${randomBytes(4).toString('hex')}`
  await superuser.query(`create role ${shop} login; grant create on schema public to ${shop}`)
  t.after(() => superuser.query(`drop owned by ${shop} cascade; drop role ${shop}`))
  return async (step) => void (await superuser.query(step!.replace(/\bshop\b/g, shop)))
}

test('an application with bigint accounts is adopted table by table, and its old login works until the end', async (t) => {
  assert.equal(steps.length, 6)
  const database = await testDatabase(t)
  const { superuser } = database
  const run = await oldLogin(t, database)
  const asShop = async (text: string) => await run(`set role shop; set search_path = app, public; ${text}; reset role; reset search_path`)
  await run(start)
  const tenancy = await createTenancy({ catalog: database.urls.gatekeeper, database: database.urls.app, admin: database.urls.migrator })
  t.after(() => tenancy.close())
  const accounts = await superuser.query<{ id: string; name: string }>('select id, name from public.accounts')
  for (const { id, name } of accounts) await tenancy.tenants.create({ slug: name.toLowerCase(), name, keys: { bigint: id } })
  const as = async (slug: string, text: string) =>
    (await tenancy.run(slug, () => tenancy.query<{ v: string }>(text))).rows.map(({ v }) => v)

  await run(beside)
  await run(ids)
  await run(customers)
  assert.deepEqual(await as('bob', 'select email as v from customers'), ['x@bob.example'])
  assert.deepEqual(await as('carol', 'select email as v from customers'), ['y@carol.example'])
  // What is not adopted yet cannot be reached by the new login, and what is can be written by the old.
  for (const table of ['public.orders', 'public.accounts'])
    await assert.rejects(as('bob', `select id as v from ${table}`), { code: '42501' })
  await asShop(
    `insert into customers (account_id, email) values (2, 'x@bob.example'); insert into orders (account_id, customer_id, total) values (1, 1, 40)`,
  )
  await assert.rejects(asShop('insert into orders (account_id, customer_id, total) values (2, 1, 50)'), { code: '23503' })

  await run(orders)
  await tenancy.protectedTables()
  assert.deepEqual(await as('bob', 'select total as v from orders order by total'), ['10', '20', '40'])
  assert.deepEqual(await as('carol', 'select total as v from orders'), ['30'])
  await as('carol', 'insert into orders (customer_id, total) values (2, 60)')
  await assert.rejects(as('carol', 'insert into orders (customer_id, total) values (1, 70)'), { code: '23503' })
  await assert.rejects(as('carol', 'insert into orders (account_id, customer_id, total) values (1, 1, 80)'), {
    code: 'PW_POLICY_VIOLATION',
  })
  const made = await tenancy.run('bob', () =>
    tenancy.repository<{ id: string; total: string }>('orders', { tenantColumn: 'account_id' }).findAll(),
  )
  assert.equal(made.rows.length, 3)
  assert.ok(made.rows.every(({ id }) => Number.isSafeInteger(Number(id))))
  await asShop('do $$ begin assert (select count(*) from orders) = 5; end $$')
  // Whoever starts anew finds nothing to mend.
  const again = await createTenancy({ catalog: database.urls.gatekeeper, database: database.urls.app })
  await again.close()

  await run(close)
  await assert.rejects(asShop('select from orders'), { code: '42501' })
})
