// partywall server: what an operator sees of the fleet, and what it keeps in the trail.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stage } from '../support/cast.ts'
import { runOn } from '../support/terminal.ts'

test('a server is listed with its load, drained with its residents named, and taken into use again', async (t) => {
  const { database, alice } = await stage(t)
  const env = { PARTYWALL_CATALOG_URL: database.urls.gatekeeper, PARTYWALL_ADMIN_URL: database.urls.migrator }
  const listed = await runOn({ env }, ['server', 'list'])
  assert.deepEqual([listed.code, listed.err], [0, ''])
  assert.match(listed.out.join('\n'), /NAME .*\nmain +default +active +3 +0 +the catalog’s +\{\}/)
  const drained = await runOn({ env }, ['server', 'drain', 'main', '--reason', 'a test', '--json'])
  assert.deepEqual(
    drained.out.map((line) => JSON.parse(line).slug),
    ['bob', 'carol', 'dave'],
  )
  const again = await runOn({ env }, ['server', 'activate', 'main', '--reason', 'the test is over', '--json'])
  assert.deepEqual(JSON.parse(again.out[0]!), { name: 'main', region: 'default', state: 'active', tenants: 3 })
  const trail = await alice<{ action: string; reason: string }>(
    `select action, reason from partywall.audit_trail where action like 'server.%' order by position`,
  )
  assert.deepEqual(trail, [
    { action: 'server.drain', reason: 'a test' },
    { action: 'server.activate', reason: 'the test is over' },
  ])
})

test('a server that is not there is refused, and so is a drain without a reason', async (t) => {
  const { database } = await stage(t)
  const env = { PARTYWALL_CATALOG_URL: database.urls.gatekeeper, PARTYWALL_ADMIN_URL: database.urls.migrator }
  const missing = await runOn({ env }, ['server', 'drain', 'nowhere', '--reason', 'a test'])
  assert.equal(missing.code, 1)
  assert.match(missing.err, /There is no server "nowhere" in the catalog/)
  assert.equal((await runOn({ env }, ['server', 'drain', 'main'])).code, 2)
  assert.equal((await runOn({ env: { PARTYWALL_CATALOG_URL: database.urls.gatekeeper } }, ['server', 'list'])).code, 2)
})
