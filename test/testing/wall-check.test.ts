// The live self-check, and that it can fail: each part of the wall is taken down, and the attempts that it stopped must leak.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IdentityProvider } from '../../src/core/identity.ts'
import { parseTenantRef } from '../../src/core/tenant.ts'
import { checkWall, type WallReport } from '../../src/testing/wall-check.ts'
import { checkSuspension } from '../../src/testing/wall-suspension.ts'
import { documentsStage } from '../support/documents.ts'
import { hasOwnDatabase, isolation, sharesTables } from '../support/isolation.ts'

test('every attempt to cross the wall is made, and refused; nothing is left behind', async (t) => {
  const { wall, ask, bob, carol } = await documentsStage(t)
  const report = await checkWall(wall)
  assert.deepEqual(
    report.attempts.filter(({ outcome }) => outcome !== 'refused'),
    [],
  )
  assert.ok(report.held)
  assert.ok(report.attempts.length >= 50)
  for (const party of [bob, carol]) assert.equal((await ask(party, '/api/documents/count')).json.count, 5)
})

test('without row-level security the rows leak, over HTTP and in SQL', async (t) => {
  const { wall, alice } = await documentsStage(t)
  await alice('alter table documents disable row level security')
  const report = await checkWall(wall)
  assert.ok(!report.held)
  const leaks = leaked(report)
  assert.ok(leaks.includes('read with no capability at all'))
  if (!sharesTables) {
    // Tables of one's own are a wall of their own: what is open is the house, not the neighbour's.
    assert.ok(report.attempts.filter(({ door }) => door === 'HTTP').every(({ outcome }) => outcome === 'refused'))
    for (const name of ['read all rows, with no condition', 'read by the id of the row', "make another tenant's row divide by zero"]) {
      assert.ok(!leaks.includes(name), name)
    }
    // Where tenants share a database, the policies are what keeps one out of the other's schema.
    for (const name of [
      "read another tenant's table by its full name",
      "read a suspended neighbour's table by its full name",
      'log in where another tenant lives, and read there',
    ]) {
      assert.equal(leaks.includes(name), isolation === 'schema', name)
    }
    // In a schema not even a row that says that it is another's can be put down.
    assert.equal(leaks.includes('insert a row for another tenant'), isolation !== 'schema')
    return
  }
  for (const name of [
    'read an item of another tenant by its id',
    'tell an item of another tenant from one that does not exist',
    'find it in the list, all pages of it',
    'find it by searching for its text',
    'change an item of another tenant',
    'delete an item of another tenant',
    'have changed anything of the victim by all that',
    'read all rows, with no condition',
    'read with no capability at all',
    "read where the tenant is another's",
    "make another tenant's row divide by zero",
    'change all rows, with no condition',
    'delete all rows, with no condition',
    'insert a row for another tenant',
    'hand a row to another tenant',
    'log in where another tenant lives, and read there',
    'log in where the catalog is, and read there',
  ]) {
    assert.ok(leaks.includes(name), `"${name}" should leak; these did: ${leaks.join('; ')}`)
  }
})

test('with a policy that believes a plain setting, forging it leaks', async (t) => {
  const { wall, alice } = await documentsStage(t)
  await alice(`
    drop policy partywall_wall_select on documents;
    create policy plain_setting on documents for select using (tenant_id::text = current_setting('app.tenant_id', true));
  `)
  // There is nothing to forge for where the rows are not.
  assert.equal(leaked(await checkWall(wall)).includes('set the tenant under the names that others use'), sharesTables)
})

test('with a control plane that the app may read, the attempts on it leak', async (t) => {
  const { wall, alice } = await documentsStage(t)
  await alice(`
    grant select on partywall.capabilities, partywall.gates to partywall_app, partywall_tenants;
    grant execute on function partywall.issue(uuid[], interval, text) to partywall_app, partywall_tenants;
  `)
  if (sharesTables) await alice('grant select on partywall.tenants, partywall.api_keys to partywall_app')
  const leaks = leaked(await checkWall(wall))
  for (const name of [
    'read the capabilities of others',
    'read the gates',
    // The catalog is not in the fleet's databases, whatever is granted there.
    ...(sharesTables ? ['read the catalog of tenants', 'read the API keys'] : []),
    'issue a capability for another tenant',
  ]) {
    assert.ok(leaks.includes(name), name)
  }
})

test('with a gate that suspension does not close, a suspended tenant leaks', async (t) => {
  const { wall, setGate, dave, resume } = await documentsStage(t)
  await setGate(dave.tenant, 'open')
  const report = await checkWall({ ...wall, suspension: { resume, suspend: async () => {} } })
  // In a database of the attacker's own, a capability of another is none.
  assert.equal(leaked(report).includes('bind the capability of a suspended tenant'), !hasOwnDatabase)
})

test('a login that is let into a database of another tenant leaks', async (t) => {
  const { wall, aliceIn, placeOf, bob, carol } = await documentsStage(t)
  const attempt = 'log in where another tenant lives, and read there'
  if (!hasOwnDatabase) {
    // Those who share a login share its databases: what is closed to it is not even theirs.
    const closed = await checkWall({ ...wall, places: { ...wall.places, closed: [wall.places.victim] } })
    assert.ok(leaked(closed).includes('log in at databases that are no tenant’s'))
    return
  }
  const { database, login, app } = placeOf(carol.tenant)
  assert.ok(!leaked(await checkWall(wall)).includes(attempt))
  const { name } = placeOf(bob.tenant).database
  await aliceIn(bob.tenant, `grant connect on database ${name} to ${login}`)
  const report = await checkWall(wall)
  assert.ok(leaked(report).includes(attempt))
  const own = await checkWall({ ...wall, places: { ...wall.places, closed: [app] } })
  assert.ok(leaked(own).includes('log in at databases that are no tenant’s'), database.name)
})

test('a tenant that is suspended for a moment is refused by its own database, and served again', async (t) => {
  const { wall, ask, suspend, resume, carol, placeOf, tenancy, url } = await documentsStage(t)
  const options = { tenancy, url, database: placeOf(carol.tenant).app, probe: wall.probe, party: carol }
  const report = await checkSuspension({ ...options, suspension: { suspend, resume } })
  assert.deepEqual(
    report.attempts.map(({ door, outcome }) => [door, outcome]),
    [
      ['HTTP', 'refused'],
      ['HTTP', 'refused'],
      ['SQL', 'refused'],
      ['SQL', 'refused'],
    ],
  )
  assert.equal((await ask(carol, '/api/documents/count')).status, 200)
  const open = await checkSuspension({ ...options, suspension: { suspend: async () => {}, resume } })
  assert.deepEqual(leaked(open), [
    'be served while suspended, by token',
    'be served while suspended, by API key',
    'read with a capability from before the suspension',
  ])
})

test('with unique ids across tenants, a duplicate key tells', async (t) => {
  const { wall, alice } = await documentsStage(t)
  await alice('create unique index leaky on documents (id)')
  assert.equal(leaked(await checkWall(wall)).includes('learn from a duplicate key which ids another tenant has'), sharesTables)
})

test('an identity that believes what it is told leaks, over HTTP alone', async (t) => {
  const { wall, application, tenancy } = await documentsStage(t)
  const credulous: IdentityProvider = {
    async identify(request) {
      const named = request.headers.find(([name]) => name.toLowerCase() === 'x-tenant-id')?.[1]
      const token = request.headers.find(([name]) => name.toLowerCase() === 'authorization')?.[1].split('.')[1] ?? ''
      const claims = token === '' ? undefined : (JSON.parse(Buffer.from(token, 'base64url').toString()) as { tenant_id: [string] })
      const ref = named ?? claims?.tenant_id[0]
      if (ref === undefined) return undefined
      return { actor: { kind: 'user', id: 'anybody' }, memberships: [parseTenantRef(ref)], method: 'jwt' }
    },
  }
  const service = await application.start({ tenancy, identity: [credulous], host: '127.0.0.1', port: 0 })
  t.after(() => service.close())
  const report = await checkWall({ ...wall, url: service.url })
  const leaks = leaked(report)
  for (const name of [
    'name another tenant in X-Tenant-ID, by slug',
    'name another tenant in X-Tenant-ID, by id',
    'no credential, only the name of the tenant',
    'a token that names another tenant, not signed (alg none)',
    'a token that names another tenant, signed with a key of ours',
  ]) {
    assert.ok(leaks.includes(name), `"${name}" should leak; these did: ${leaks.join('; ')}`)
  }
  assert.ok(report.attempts.filter(({ door }) => door === 'SQL').every(({ outcome }) => outcome === 'refused'))
})

function leaked(report: WallReport): readonly string[] {
  return report.attempts.filter(({ outcome }) => outcome === 'leaked').map(({ name }) => name)
}
