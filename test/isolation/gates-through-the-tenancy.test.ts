// What the application sees of a tenant's gate, and of a table that cannot stand behind the wall.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TableRefusedError } from '../../src/errors.ts'
import { stage } from '../support/cast.ts'

test('what a gate refuses comes out by name, and only what it refuses', async (t) => {
  const { tenancy, bob, alice } = await stage(t)
  const read = () => tenancy.run('bob', () => tenancy.query('select count(*) from notes'))
  const write = () => tenancy.run('bob', () => tenancy.query(`insert into notes (title) values (gen_random_uuid()::text)`))
  const others = () => tenancy.run('carol', () => tenancy.query(`insert into notes (title) values (gen_random_uuid()::text)`))
  const gate = (state: string) => alice('select partywall.set_gate($1, $2)', [bob.id, state])
  const seen: Record<string, readonly unknown[]> = {}
  for (const state of ['open', 'read_only', 'moving', 'fenced', 'moved', 'suspended', 'open']) {
    await gate(state)
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
  const { tenancy, alice } = await stage(t)
  await alice('set role partywall_owner; create table app.tasks (tenant_id uuid, id uuid primary key); reset role')
  const refusal = await tenancy.protect('app.tasks').catch((error: unknown) => error)
  assert.ok(refusal instanceof TableRefusedError)
  assert.equal(refusal.code, 'PW_TABLE_REFUSED')
  const findings = refusal.details['findings'] as readonly { readonly rule: string; readonly fix: string }[]
  assert.deepEqual(findings.map((finding) => finding.rule).sort(), ['primary_key', 'tenant_null'])
  for (const { fix } of findings) await alice(fix)
  await tenancy.protect('app.tasks')
  const { rows } = await tenancy.run('bob', () => tenancy.query('insert into tasks (id) values (gen_random_uuid()) returning tenant_id'))
  assert.equal(rows.length, 1)
})

test('a table declared global is read by all and written by none; without a reason it is not declared', async (t) => {
  const { tenancy, alice } = await stage(t)
  await alice('set role partywall_owner; create table app.currencies (code text primary key); reset role')
  await alice(`insert into app.currencies (code) values ('eur')`)
  await assert.rejects(tenancy.declareGlobal('app.currencies', { reason: 'short' }), { code: 'PW_INVALID_INPUT' })
  await tenancy.declareGlobal('app.currencies', { reason: 'Currencies are the same for everybody.' })
  for (const slug of ['bob', 'carol']) {
    assert.equal((await tenancy.run(slug, () => tenancy.query('select code from currencies'))).rows.length, 1)
    await assert.rejects(
      tenancy.run(slug, () => tenancy.query(`insert into currencies (code) values ('usd')`)),
      { code: '42501' },
    )
  }
})
