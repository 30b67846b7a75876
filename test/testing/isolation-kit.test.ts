// The isolation kit on our own example: everything is attacked and holds; a copy of it that is broken is found out; and every attack is
// seen to succeed where what stops it has been taken down.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { shareOwnCopy } from '../../src/cli/own-copy.ts'
import { WallBreachedError } from '../../src/errors.ts'
import { issueToken, jwt } from '../../src/identity/jwt.ts'
import { attackList } from '../../src/testing/isolation/attack-list.ts'
import { checkIsolation, expectIsolated, proveDoors } from '../../src/testing/isolation/expect-isolated.ts'
import { proveSql } from '../../src/testing/isolation/prove.ts'
import type { IsolationReport } from '../../src/testing/isolation/report.ts'
import { failedByItself } from '../../src/testing/isolation/sql-attacks.ts'
import { type TestTenancy, type TestTenant, testTenancy } from '../../src/testing/test-tenancy.ts'
import { kitTables } from '../support/kit-tables.ts'

shareOwnCopy()
const { createService } = await import('../../examples/documents/src/documents-service.ts')

const binDirectory = process.env['PARTYWALL_TEST_POSTGRES_BIN']
const migrations = new URL('../../examples/documents/migrations/', import.meta.url)
const tokens = { algorithm: 'HS256', key: Buffer.alloc(32, 7), issuer: 'https://issuer.test', audience: 'documents' } as const
const auth = async (tenant: TestTenant) => ({
  authorization: `Bearer ${await issueToken({ ...tokens, subject: `user@${tenant.slug}`, tenants: [tenant.id], ttlSec: 600 })}`,
})

async function documentsApp(t: TestContext, kit: TestTenancy) {
  const app = await createService({ tenancy: kit.tenancy, identity: jwt(tokens), logLevel: 'silent' })
  t.after(() => app.close())
  return app
}

const attacksOf = (report: IsolationReport): readonly string[] => [...new Set(report.breaches.map(({ attack }) => attack))]

test('nothing gets from one tenant of the example to another, in SQL, over HTTP or through the cache', async (t) => {
  await using kit = await testTenancy({ migrations, binDirectory })
  const report = await expectIsolated(kit, { app: await documentsApp(t, kit), auth })
  assert.deepEqual(report.breaches, [])
  assert.deepEqual(report.unreached, [])
  assert.deepEqual(
    report.found.tables.map(({ name, status }) => `${name} ${status}`),
    ['app.audit_log protected', 'app.documents protected', 'app.users protected'],
  )
  assert.equal(report.found.routes.length, 10)
  assert.ok(report.tried.attacks > 500, String(report.tried.attacks))
  assert.match(String(report), /0 breached/)
  assert.equal(JSON.parse(JSON.stringify(report)).held, true)
  // The victims of the kit and nobody else: what was there before is untouched, and so is what the attacks met.
  assert.equal(await kit.truth.count('documents'), 6)
})

test('a broken copy of the example is found out, and every breach is named', async (t) => {
  await using kit = await testTenancy({ migrations, binDirectory })
  const app = await documentsApp(t, kit)
  await kit.truth.query('alter table documents disable row level security')
  const error = await expectIsolated(kit, { app, auth, only: ['read', 'write', 'http.item', 'http.list'] }).catch(
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof WallBreachedError)
  assert.equal(error.code, 'PW_WALL_BREACHED')
  const breaches = error.details['breaches'] as readonly { readonly attack: string; readonly on: string }[]
  const named = breaches.map(({ attack, on }) => `${attack} ${on}`)
  for (const expected of [
    'read.every-row app.documents',
    'read.count app.documents',
    'write.update-all app.documents',
    'write.insert-own-parents app.documents',
    'http.item DELETE /api/documents/{id}',
    'http.list GET /api/documents/',
  ]) {
    assert.ok(named.includes(expected), expected)
  }
  assert.ok(!named.some((each) => each.includes('app.users')))
  assert.match(error.message, /read\.every-row on app\.documents/)
})

test('a handler that asks past the wall is found out, though the tables are sound', async () => {
  await using kit = await testTenancy({ migrations, binDirectory })
  const app = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url)
    const id = pathname.split('/').at(-1)
    const rows = await kit.truth.query<object>('select * from documents where id::text = $1', [id])
    return rows.length === 0 ? new Response(null, { status: 404 }) : Response.json(rows[0])
  }
  const report = await checkIsolation(kit, { app, auth, routes: ['GET /documents/:id'], only: ['http', 'read.every-row'] })
  assert.ok(attacksOf(report).includes('http.item'))
  assert.ok(attacksOf(report).includes('http.anonymous'))
  assert.ok(!attacksOf(report).includes('read.every-row'))
})

test('what cannot be reached is said, not hidden', async () => {
  await using kit = await testTenancy({ migrations, binDirectory })
  await kit.truth.query(`
    create table app.odd (tenant_id uuid not null, id uuid not null default partywall.uuidv7(), digits text not null check (digits ~ '^[0-9]{4}x$'), primary key (tenant_id, id));
    alter table app.odd owner to partywall_owner;
    create function app.sum_of(a integer, b integer) returns integer language sql return a + b;
  `)
  await kit.truth.query(`select partywall.protect('app.odd')`)
  const options = { app: async () => new Response(null, { status: 404 }), auth, routes: ['GET /nowhere/:id'], only: ['read.every-row'] }
  const report = await checkIsolation(kit, options)
  assert.deepEqual(
    report.unreached.map(({ what }) => what),
    ['app.odd', 'app.sum_of', 'GET /nowhere/{id}'],
  )
  const seeds = { odd: ({ number }: { readonly number: number }) => ({ digits: `${1_000 + number}x` }) }
  const seeded = await checkIsolation(kit, { ...options, seeds })
  assert.deepEqual(
    seeded.results.map(({ on, outcome }) => `${on} ${outcome}`),
    ['app.audit_log held', 'app.documents held', 'app.odd held', 'app.users held'],
  )
})

test('tables of all kinds are filled and attacked, and nothing is found where all is sound', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'partywall-kit-tables-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  await writeFile(join(directory, '0001-all-kinds.sql'), kitTables)
  await using kit = await testTenancy({ migrations: directory, binDirectory })
  const report = await checkIsolation(kit)
  assert.deepEqual(report.breaches, [])
  assert.deepEqual(report.unreached, [{ what: 'HTTP', reason: 'no app was given' }])
  const reached = new Set(report.results.filter(({ outcome }) => outcome === 'held').map(({ on }) => on))
  const names = [
    'accounts',
    'bookings',
    'counters',
    'countries',
    'events',
    'events_new',
    'line_items',
    'open_people',
    'people',
    'sites',
    'teams',
  ]
  for (const name of names) assert.ok(reached.has(`app.${name}`), name)
  assert.deepEqual(
    report.results.filter(({ detail }) => detail.startsWith(failedByItself)),
    [],
  )
})

test('a table that nobody has declared, a view with its owner’s rights and a partition in reach are found', async () => {
  await using kit = await testTenancy({ migrations, binDirectory })
  await kit.truth.query(`
    create table app.notes (tenant_id uuid not null, id uuid primary key default gen_random_uuid(), note text not null);
    grant select on app.notes to partywall_app;
    create view app.all_documents as select * from app.documents;
    grant select on app.all_documents to partywall_app;
  `)
  const report = await checkIsolation(kit, { only: ['forgotten', 'view', 'partition'] })
  const named = report.breaches.map(({ attack, on }) => `${attack} ${on}`)
  assert.ok(named.includes('forgotten.read app.notes'))
  assert.ok(named.includes('view.read app.all_documents'))
})

test('an attack without an app says that HTTP was not reached, and one that contradicts itself is refused', async () => {
  await using kit = await testTenancy({ migrations, binDirectory })
  const report = await checkIsolation(kit, { only: ['read.every-row'] })
  assert.deepEqual(report.unreached, [{ what: 'HTTP', reason: 'no app was given' }])
  await assert.rejects(checkIsolation(kit, { app: async () => new Response() }), { code: 'PW_INVALID_INPUT' })
  await assert.rejects(checkIsolation(kit, { seeds: { nothing: {} } }), { code: 'PW_INVALID_INPUT' })
})

test('every attack over HTTP and on the cache succeeds behind a door that is broken in its way', async (t) => {
  await using kit = await testTenancy({ migrations, binDirectory })
  const proofs = await proveDoors(kit, { app: await documentsApp(t, kit), auth })
  assert.deepEqual(
    proofs.filter(({ outcome }) => outcome !== 'red'),
    [],
  )
  assert.ok(proofs.length > 150)
})

test('attacks in SQL succeed where what stops them is taken down', async () => {
  // The rest, and those that make roles stronger, are proved on a server of their own: test/full/kit-proof.test.ts.
  const only = [
    'read.every-row',
    'read.count',
    'read.search',
    'write.truncate',
    'oracle',
    'forge.victim-id',
    'view',
    'partition',
    'forgotten',
  ]
  const proofs = await proveSql({ migrations, binDirectory, only })
  assert.deepEqual(
    proofs.filter(({ outcome }) => outcome !== 'red'),
    [],
  )
})

test('every attack has a name of its own, says what it tries, and what would let it through', () => {
  const attacks = attackList()
  assert.ok(attacks.length > 500)
  assert.equal(new Set(attacks.map(({ id }) => id)).size, attacks.length)
  for (const { id, tries, mutation } of attacks) assert.ok(id !== '' && tries.length > 3 && mutation.length > 10, id)
})
