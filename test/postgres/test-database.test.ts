import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { testDatabase } from '../support/database.ts'

test('a test gets an installed database of its own, which every login can reach', async (t) => {
  const one = await testDatabase(t)
  const two = await testDatabase(t)
  await one.superuser.query('create table public.only_here ()')
  const [found] = await two.superuser.query<{ name: string | null }>("select to_regclass('public.only_here')::text as name")
  assert.equal(found?.name, null)
  for (const role of ['migrator', 'gatekeeper', 'app'] as const) {
    const pool = new ControlPool({ connectionString: one.urls[role], applicationName: 'test' })
    t.after(() => pool.close())
    const [row] = await pool.query<{ login: string; database: string }>(
      'select session_user::text as login, current_database() as database',
    )
    assert.deepEqual(row, { login: `partywall_${role}`, database: one.name })
  }
})

test('a copy of the template keeps who may connect, and refuses those who may not', async (t) => {
  const { superuser, name } = await testDatabase(t)
  const rows = await superuser.query<{ datacl: string | null }>(
    "select datacl::text from pg_catalog.pg_database where datname in ($1, 'partywall_template')",
    [name],
  )
  assert.equal(rows.length, 2)
  assert.equal(rows[0]?.datacl, rows[1]?.datacl)
})
