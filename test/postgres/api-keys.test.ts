import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ConfigurationError } from '../../src/errors.ts'
import { issueApiKey } from '../../src/identity/api-key.ts'
import { PostgresApiKeys } from '../../src/postgres/api-keys.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { apiKeysConformance } from '../core/api-keys-conformance.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { bob, carol } from '../support/door-cast.ts'

let database: TestDatabase
let gatekeeper: ControlPool
let migrator: ControlPool
let app: ControlPool
let keys: PostgresApiKeys

before(async () => {
  database = await testDatabase()
  gatekeeper = new ControlPool({ connectionString: database.urls.gatekeeper, applicationName: 'test-gatekeeper' })
  migrator = new ControlPool({ connectionString: database.urls.migrator, applicationName: 'test-migrator' })
  app = new ControlPool({ connectionString: database.urls.app, applicationName: 'test-app' })
  for (const tenant of [bob, carol]) await migrator.query('select partywall.set_gate($1, $2)', [tenant.id, 'open'])
  keys = new PostgresApiKeys({ gatekeeper, migrator })
})

after(async () => {
  await Promise.all([gatekeeper.close(), migrator.close(), app.close()])
})

apiKeysConformance('in PostgreSQL', () => keys)

const denied = { code: '42501' }

test("the gatekeeper's login looks a key up by its prefix, and can do nothing else with keys", async () => {
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

test("the application's login sees no key and no function of keys, whatever SQL it is made to run", async () => {
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

test('a tenant that is gone takes its keys with it', async () => {
  const { key } = await issueApiKey(keys, { tenantId: carol.id, name: 'ci' })
  await database.superuser.query('delete from partywall.gates where tenant_id = $1', [carol.id])
  assert.equal(await keys.find(key.prefix), undefined)
})
