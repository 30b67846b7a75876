// The command line against a real control plane: what is printed, what is not, and how it ends.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { stage } from '../support/cast.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { runOn } from '../support/terminal.ts'

const run = (env: Readonly<Record<string, string>>, ...argv: readonly string[]) => runOn({ env }, argv)

const urls = ({ urls: { gatekeeper, migrator } }: TestDatabase) => ({ PARTYWALL_CATALOG_URL: gatekeeper, PARTYWALL_ADMIN_URL: migrator })

test('token prints a capability and nothing else, and it opens its tenant’s rows alone', async (t) => {
  const { database, bob } = await stage(t)
  const { PARTYWALL_CATALOG_URL } = urls(database)
  const { code, out, err } = await run({ PARTYWALL_CATALOG_URL }, 'token', 'bob', '--ttl', '60')
  assert.deepEqual([code, out.length, err], [0, 1, ''])
  assert.match(out[0]!, /^[0-9a-f-]{36}$/)
  const app = new ControlPool({ connectionString: database.urls.app, applicationName: 'psql' })
  t.after(() => app.close())
  const rows = await app.transaction(async (connection) => {
    assert.deepEqual(await connection.query('select partywall.bind($1)', [out[0]]), [{ bind: bob.id }])
    return await connection.query<{ tenant_id: string }>('select tenant_id from notes')
  })
  assert.ok(rows.length > 0 && rows.every((row) => row.tenant_id === bob.id))
})

test('a token is refused for tenants that are suspended or unknown, and for lives out of bounds, with nothing on stdout', async (t) => {
  const { database } = await stage(t)
  const env = urls(database)
  for (const [argv, code, says] of [
    [['token', 'dave'], 1, /PW_TENANT_SUSPENDED/],
    [['token', 'umbrella'], 1, /PW_TENANT_NOT_FOUND/],
    [['token', 'BOB'], 1, /PW_INVALID_TENANT_REF/],
    [['token'], 2, /tenant/],
    [['token', 'bob', '--ttl', '0'], 2, /--ttl/],
    [['token', 'bob', '--ttl', '3601'], 2, /--ttl/],
    [['token', 'bob', '--ttl', '1e1'], 2, /--ttl/],
  ] as const) {
    const ran = await run(env, ...argv)
    assert.deepEqual([ran.code, ran.out], [code, []], argv.join(' '))
    assert.match(ran.err, says)
    assert.doesNotMatch(ran.err, /\n {4}at /, 'no stack unless --verbose')
  }
})

test('tenants are created, listed, shown, renamed, suspended and resumed', async (t) => {
  const database = await testDatabase(t)
  const env = urls(database)
  const json = async (...argv: string[]) => JSON.parse((await run(env, 'tenant', ...argv, '--json')).out[0] ?? 'null')
  const made = await json('create', 'acme', '--name', 'Acme', '--plan', 'team')
  assert.deepEqual([made.slug, made.name, made.plan, made.status], ['acme', 'Acme', 'team', 'active'])
  assert.equal((await json('rename', 'acme', '--slug', 'acme-two', '--name', 'Acme Two')).id, made.id)
  assert.equal((await json('show', 'acme-two')).name, 'Acme Two')
  assert.equal((await json('suspend', 'acme-two', '--reason', 'unpaid')).status, 'suspended')
  assert.equal((await json('resume', 'acme-two', '--reason', 'paid')).status, 'active')
  const { out } = await run(env, 'tenant', 'list')
  assert.match(out[0]!, /^SLUG +STATUS +PLAN/)
  assert.match(out[1]!, /^acme-two +active +team/)
  const trail = await database.superuser.query<{ action: string; reason: string | null; kind: string }>(
    `select action, nullif(reason, '') as reason, actor_kind as kind from partywall.audit_trail where details ->> 'phase' = 'done' order by position`,
  )
  assert.deepEqual(trail, [
    { action: 'tenant.onboard', reason: null, kind: 'staff' },
    { action: 'tenant.rename', reason: null, kind: 'staff' },
    { action: 'tenant.suspend', reason: 'unpaid', kind: 'staff' },
    { action: 'tenant.resume', reason: 'paid', kind: 'staff' },
  ])
  const { PARTYWALL_CATALOG_URL } = env
  assert.match((await run({ PARTYWALL_CATALOG_URL }, 'tenant', 'create', 'beta')).err, /PARTYWALL_ADMIN_URL/)
  assert.match((await run(env, 'tenant', 'suspend', 'acme-two')).err, /--reason/)
  assert.equal((await run(env, 'tenant', 'create', 'acme-two')).code, 1)
  assert.equal((await run(env, 'tenant', 'destroy', 'acme-two')).code, 2)
})

test('what a tenant is called cannot command the terminal', async (t) => {
  const database = await testDatabase(t)
  await run(urls(database), 'tenant', 'create', 'acme')
  await database.superuser.query(`update partywall.tenants set name = e'\\x1b[2Jgone' where slug = 'acme'`)
  const { out } = await run(urls(database), 'tenant', 'list')
  assert.doesNotMatch(out.join(''), /\p{Cc}/u)
})

test('API keys are created, listed, rotated and revoked; a key is the only line on stdout', async (t) => {
  const database = await testDatabase(t)
  const env = urls(database)
  await run(env, 'tenant', 'create', 'acme')
  const made = await run(env, 'apikey', 'create', 'acme', '--name', 'export', '--scopes', 'documents:read', '--env', 'test')
  assert.equal(made.out.length, 1)
  assert.match(made.out[0]!, /^pw_test_[A-Za-z0-9]{12}_[A-Za-z0-9]{43}$/)
  const prefix = made.out[0]!.split('_')[2]!
  const rotated = await run(env, 'apikey', 'rotate', 'acme', prefix, '--grace', '60')
  assert.match(rotated.out[0]!, /^pw_[A-Za-z0-9]{12}_[A-Za-z0-9]{43}$/)
  assert.equal((await run(env, 'apikey', 'revoke', 'acme', prefix)).code, 0)
  const { out } = await run(env, 'apikey', 'list', 'acme')
  assert.equal(out.length, 3)
  assert.match(out.find((line) => line.startsWith(prefix))!, /export +documents:read .*revoked/)
  assert.ok(!out.join('').includes(made.out[0]!.split('_')[3]!))
  assert.equal((await run(env, 'apikey', 'revoke', 'acme', 'nosuchprefix')).code, 1)
})

test('init says what it would do, then does it, and prints new passwords once', async (t) => {
  const database = await testDatabase(t)
  const plan = await run({ PARTYWALL_SUPERUSER_URL: database.urls.superuser }, 'init', '--dry-run')
  assert.equal(plan.code, 0)
  assert.match(plan.out.join('\n'), /keep the login partywall_app and its password[\s\S]*no SQL file to run/)
  const done = await run({}, 'init', database.urls.superuser)
  // The logins exist, with passwords that a running application may depend on: none is changed, and so none is printed.
  assert.deepEqual([done.code, done.out], [0, []])
  assert.match((await run({}, 'init', 'app')).err, /Give the URL/)
})

test('without a database the message says what to set; unknown verbs and options are refused; help is there', async () => {
  const lost = await run({}, 'tenant', 'list')
  assert.deepEqual([lost.code, lost.out], [2, []])
  assert.match(lost.err, /PARTYWALL_CATALOG_URL/)
  assert.equal((await run({}, 'destroy')).code, 2)
  assert.equal((await run({}, 'constructor')).code, 2)
  assert.equal((await run({}, 'token', 'acme', '--force')).code, 2)
  assert.match((await run({}, '--help')).out.join('\n'), /token .*\n/)
})

test('a database that is not there is named as such', async () => {
  const ran = await run({ PARTYWALL_CATALOG_URL: 'postgres://nobody:x@127.0.0.1:1/none' }, 'tenant', 'list')
  assert.equal(ran.code, 1)
  assert.match(ran.err, /PW_DATABASE_UNAVAILABLE/)
})
