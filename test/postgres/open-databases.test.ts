// The databases that a process opens for its tenants, and whom it refuses by name.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TenantOnboardingError, TenantVersionError } from '../../src/errors.ts'
import { stage } from '../support/cast.ts'

test('a tenant outside the migrations that the application serves is refused by name, not by a broken query', async (t) => {
  const { tenancy, database } = await stage(t, { serves: { min: '0002', max: '0003' } })
  for (const [version, isServed] of [
    [null, false],
    ['0001', false],
    ['0002', true],
    ['0003', true],
    ['0004', false],
  ] as const) {
    await database.superuser.query(`update partywall.databases set version = $1 where name = 'main'`, [version])
    const bob = await tenancy.tenants.update('bob', { name: `Bob at ${version}` })
    assert.equal(bob.version, version ?? undefined)
    const read = tenancy.run('bob', () => tenancy.query('select title from notes'))
    if (isServed) assert.equal((await read).rows.length, 5)
    else await assert.rejects(read, TenantVersionError)
  }
})

test('a repository reads a table anew when the tenant is at another migration', async (t) => {
  const { tenancy, database } = await stage(t)
  const notes = tenancy.repository<{ id: string; title: string; colour?: string }>('notes')
  const first = () => tenancy.run('bob', async () => (await notes.findAll({ limit: 1 })).rows[0])
  assert.ok(!('colour' in (await first())!))
  await database.superuser.query(`alter table app.notes add column colour text not null default 'red'`)
  await database.superuser.query(`update partywall.databases set version = '0002' where name = 'main'`)
  await tenancy.tenants.update('bob', { name: 'Bob' })
  assert.equal((await first())?.colour, 'red')
})

test('a tenant whose placement is being made is refused by name', async (t) => {
  const { tenancy, database } = await stage(t)
  await database.superuser.query(`update partywall.tenants set status = 'onboarding' where slug = 'carol'`)
  await tenancy.tenants.update('carol', { name: 'Carol' })
  await assert.rejects(
    tenancy.run('carol', () => tenancy.query('select 1')),
    TenantOnboardingError,
  )
})
