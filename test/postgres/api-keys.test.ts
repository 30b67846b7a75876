import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ConfigurationError } from '../../src/errors.ts'
import { issueApiKey } from '../../src/identity/api-key.ts'
import { PostgresApiKeys } from '../../src/postgres/api-keys.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { apiKeysConformance } from '../core/api-keys-conformance.ts'
import { testDatabase } from '../support/database.ts'
import { bob, carol } from '../support/door-cast.ts'

/** Pools end with the test. */
async function house(t: TestContext) {
  const database = await testDatabase(t)
  const poolFor = (connectionString: string) => {
    const pool = new ControlPool({ connectionString, applicationName: 'test-api-keys' })
    t.after(() => pool.close())
    return pool
  }
  const gatekeeper = poolFor(database.urls.gatekeeper)
  const migrator = poolFor(database.urls.migrator)
  for (const tenant of [bob, carol]) await migrator.query('select partywall.set_gate($1, $2)', [tenant.id, 'open'])
  return { database, gatekeeper, app: poolFor(database.urls.app), keys: new PostgresApiKeys({ gatekeeper, migrator }) }
}

apiKeysConformance('in PostgreSQL', async (t) => (await house(t)).keys)

const denied = { code: '42501' }

test("the gatekeeper's login looks a key up by its prefix, and can do nothing else with keys", async (t) => {
  const { gatekeeper, keys } = await house(t)
  const { key } = await issueApiKey(keys, { tenantId: bob.id, name: 'ci' })
  assert.equal((await keys.find(key.prefix))?.tenantId, bob.id)
  for (const statement of [
    'select prefix from partywall.api_keys',
    "update partywall.api_keys set revoked_at = null, name = 'mine'",
    'delete from partywall.api_keys',
    "insert into partywall.api_keys (prefix, tenant_id, secret_hash, name) select 'aaaaaaaaaaaa', tenant_id, sha256(''), 'mine' from partywall.gates",
  ]) {
    await assert.rejects(gatekeeper.query(statement), denied, statement)
  }
  await assert.rejects(new PostgresApiKeys({ gatekeeper }).create({ ...key, secretHash: new Uint8Array(32) }), ConfigurationError)
})

test("the application's login sees no key and no function of keys, whatever SQL it is made to run", async (t) => {
  const { app, keys } = await house(t)
  const { key } = await issueApiKey(keys, { tenantId: bob.id, name: 'ci' })
  for (const [statement, values] of [
    ['select prefix from partywall.api_keys', []],
    ['select * from partywall.find_api_key($1)', [key.prefix]],
    ['select partywall.touch_api_key($1)', [key.prefix]],
    ['update partywall.api_keys set revoked_at = null', []],
  ] as const) {
    await assert.rejects(app.query(statement, values), denied, statement)
  }
})

test('a tenant that is gone takes its keys with it', async (t) => {
  const { database, keys } = await house(t)
  const { key } = await issueApiKey(keys, { tenantId: carol.id, name: 'ci' })
  await database.superuser.query('delete from partywall.gates where tenant_id = $1', [carol.id])
  assert.equal(await keys.find(key.prefix), undefined)
})
