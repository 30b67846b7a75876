// What the application sees of a tenant's gate, and of a table that cannot stand behind the wall.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TableRefusedError } from '../../src/errors.ts'
import { stage } from '../support/cast.ts'

test('what a gate refuses comes out by name, and only what it refuses', async (t) => {
  const { tenancy, bob, setGate } = await stage(t)
  const read = () => tenancy.run('bob', () => tenancy.query('select count(*) from notes'))
  const write = () => tenancy.run('bob', () => tenancy.query(`insert into notes (title) values (gen_random_uuid()::text)`))
  const others = () => tenancy.run('carol', () => tenancy.query(`insert into notes (title) values (gen_random_uuid()::text)`))
  const seen: Record<string, readonly unknown[]> = {}
  for (const state of ['open', 'read_only', 'moving', 'fenced', 'moved', 'suspended', 'open'] as const) {
    await setGate(bob, state)
    const outcomes = [read, write, others].map((act) =>
      act().then(
        () => 'done',
        (error: { code: string; retryable: boolean }) => `${error.code}${error.retryable ? ', retry' : ''}`,
      ),
    )
    seen[state] = await Promise.all(outcomes)
  }
  assert.deepEqual(seen, {
    open: ['done', 'done', 'done'],
    read_only: ['done', 'PW_TENANT_READ_ONLY, retry', 'done'],
    moving: ['done', 'done', 'done'],
    fenced: ['done', 'PW_TENANT_MOVING, retry', 'done'],
    moved: ['PW_TENANT_MOVING, retry', 'PW_TENANT_MOVING, retry', 'done'],
    suspended: ['PW_TENANT_SUSPENDED', 'PW_TENANT_SUSPENDED', 'done'],
  })
})

test('a table that cannot be protected is refused with the SQL that mends it, and protected once that has run', async (t) => {
  const { tenancy, migrate, aliceInCatalog } = await stage(t)
  const tasks = 'create table tasks (tenant_id uuid, id uuid primary key)'
  // As a migration, in whatever place: nothing of it is left.
  await assert.rejects(migrate(`${tasks}; select partywall.protect('tasks')`), { code: 'PW010' })
  await aliceInCatalog(`set role partywall_owner; ${tasks}; reset role`)
  const refusal = await tenancy.protect('app.tasks').catch((error: unknown) => error)
  assert.ok(refusal instanceof TableRefusedError)
  assert.equal(refusal.code, 'PW_TABLE_REFUSED')
  const findings = refusal.details['findings'] as readonly { readonly rule: string; readonly fix: string }[]
  assert.deepEqual(findings.map((finding) => finding.rule).sort(), ['primary_key', 'tenant_null'])
  for (const { fix } of findings) await aliceInCatalog(fix)
  await tenancy.protect('app.tasks')
  await aliceInCatalog('drop table tasks')
  await migrate(`${tasks}; ${findings.map(({ fix }) => fix.replaceAll('app.', '')).join('')} select partywall.protect('tasks')`)
  const { rows } = await tenancy.run('bob', () => tenancy.query('insert into tasks (id) values (gen_random_uuid()) returning tenant_id'))
  assert.equal(rows.length, 1)
})

test('a table declared global is read by all and written by none; without a reason it is not declared', async (t) => {
  const { tenancy, migrate, aliceInCatalog } = await stage(t)
  const currencies = `create table currencies (code text primary key); insert into currencies (code) values ('eur')`
  await aliceInCatalog(`set role partywall_owner; ${currencies}; reset role`)
  await assert.rejects(tenancy.declareGlobal('app.currencies', { reason: 'short' }), { code: 'PW_INVALID_INPUT' })
  await tenancy.declareGlobal('app.currencies', { reason: 'Currencies are the same for everybody.' })
  await aliceInCatalog('drop table currencies')
  await migrate(`${currencies}; select partywall.declare_global('currencies', 'Currencies are the same for everybody.')`)
  for (const slug of ['bob', 'carol']) {
    assert.equal((await tenancy.run(slug, () => tenancy.query('select code from currencies'))).rows.length, 1)
    await assert.rejects(
      tenancy.run(slug, () => tenancy.query(`insert into currencies (code) values ('usd')`)),
      { code: '42501' },
    )
  }
})
