// The live self-check, and that it can fail: each part of the wall is taken down, and the attempts that it stopped must leak.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IdentityProvider } from '../../src/core/identity.ts'
import { parseTenantRef } from '../../src/core/tenant.ts'
import { checkWall, type WallReport } from '../../src/testing/wall-check.ts'
import { documentsStage } from '../support/documents.ts'

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
  const { wall, database } = await documentsStage(t)
  await database.superuser.query('alter table app.documents disable row level security')
  const report = await checkWall(wall)
  assert.ok(!report.held)
  const leaks = leaked(report)
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
  ]) {
    assert.ok(leaks.includes(name), `"${name}" should leak; these did: ${leaks.join('; ')}`)
  }
})

test('with a policy that believes a plain setting, forging it leaks', async (t) => {
  const { wall, database } = await documentsStage(t)
  await database.superuser.query(`
    drop policy partywall_wall_select on app.documents;
    create policy plain_setting on app.documents for select using (tenant_id::text = current_setting('app.tenant_id', true));
  `)
  assert.deepEqual(leaked(await checkWall(wall)).includes('set the tenant under the names that others use'), true)
})

test('with a control plane that the app may read, the attempts on it leak', async (t) => {
  const { wall, database } = await documentsStage(t)
  await database.superuser.query(`
    grant select on partywall.capabilities, partywall.gates, partywall.tenants, partywall.api_keys to partywall_app;
    grant execute on function partywall.issue(uuid[], interval, text) to partywall_app;
  `)
  const leaks = leaked(await checkWall(wall))
  for (const name of [
    'read the capabilities of others',
    'read the gates',
    'read the catalog of tenants',
    'read the API keys',
    'issue a capability for another tenant',
  ]) {
    assert.ok(leaks.includes(name), name)
  }
})

test('with a gate that suspension does not close, a suspended tenant leaks', async (t) => {
  const { wall, database, dave } = await documentsStage(t)
  await database.superuser.query(`select partywall.set_gate($1, 'open')`, [dave.tenant.id])
  await database.superuser.query('alter table partywall.tenants disable trigger tenants_follow_status')
  assert.ok(leaked(await checkWall(wall)).includes('bind the capability of a suspended tenant'))
})

test('with unique ids across tenants, a duplicate key tells', async (t) => {
  const { wall, database } = await documentsStage(t)
  await database.superuser.query('create unique index leaky on app.documents (id)')
  assert.ok(leaked(await checkWall(wall)).includes('learn from a duplicate key which ids another tenant has'))
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
