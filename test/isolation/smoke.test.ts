import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rowsPerTenant, stage } from '../support/cast.ts'

test('each tenant sees its own rows and no others', async (t) => {
  const { tenancy, alice } = await stage(t)
  assert.equal((await alice('select from notes')).length, 3 * rowsPerTenant)
  for (const slug of ['bob', 'carol']) {
    const { rows } = await tenancy.run(slug, () => tenancy.query<{ title: string }>('select title from notes'))
    assert.equal(rows.length, rowsPerTenant)
    assert.ok(rows.every((row) => row.title.startsWith(slug)))
  }
  await assert.rejects(
    tenancy.run('dave', () => tenancy.query('select 1')),
    { code: 'PW_TENANT_SUSPENDED' },
  )
})
