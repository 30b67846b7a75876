// The stage makes the places of its tenants by hand, since it makes so many. The adapters of placements are the judges of whether
// they are what an operation would have made.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { PlacedTenant } from '../../src/core/placement-adapter.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { FleetConnections } from '../../src/postgres/fleet-connections.ts'
import { createPlacements, type Placements } from '../../src/postgres/placements/placements.ts'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { isolation } from '../support/isolation.ts'
import { passwords } from '../support/template.ts'

function placementsOf(t: TestContext, here: Stage): Placements {
  const { urls } = here.database
  const secrets = new Map<string, string>()
  for (const tenant of [here.bob, here.carol, here.dave]) {
    const { placement, database } = here.placeOf(tenant)
    const admin = new URL(database.urls.superuser)
    admin.pathname = '/postgres'
    secrets.set(`server/${placement.server}/admin`, admin.href)
    secrets.set(`server/${placement.server}/migrator`, passwords.migrator)
  }
  const reader = new ControlPool({ connectionString: urls.gatekeeper, applicationName: 'test-reader' })
  const store = {
    get: async (name: string) => secrets.get(name) ?? (await here.access.secrets?.get(name)),
    put: async () => {},
    delete: async () => {},
  }
  const connections = new FleetConnections({ reader, admin: urls.migrator, secrets: store })
  t.after(async () => {
    await connections.close()
    await reader.close()
  })
  const none = {
    version: undefined,
    fingerprint: 'none',
    applyAll: async () => {},
    versionOf: async () => undefined,
    forget: async () => {},
  }
  return createPlacements({ reader, connections, secrets: store, migrations: none })
}

test('the places of the cast are as the adapter of their placement wants them, and it can work there', async (t) => {
  const here = await stage(t)
  const adapter = placementsOf(t, here).for(isolation)
  for (const tenant of [here.bob, here.carol, here.dave] satisfies PlacedTenant[]) {
    assert.equal(tenant.placement.isolation, isolation)
    assert.deepEqual(await adapter.verify(tenant), [], tenant.slug)
    const { tables, gate } = await adapter.describe(tenant)
    assert.equal(gate, tenant.slug === 'dave' ? 'suspended' : 'open')
    assert.equal(tables.find(({ name }) => /\bnotes$/.test(name))?.rows, rowsPerTenant, tenant.slug)
  }
  await adapter.setGate(here.bob, 'suspended')
  await assert.rejects(
    here.tenancy.run('bob', () => here.tenancy.query('select * from notes')),
    { code: 'PW_TENANT_SUSPENDED' },
  )
  assert.equal((await here.tenancy.run('carol', () => here.tenancy.query('select * from notes'))).rowCount, rowsPerTenant)
  await adapter.setGate(here.bob, 'open')
})

test('and it finds what is amiss: the owner’s rights on a table are open', async (t) => {
  const here = await stage(t)
  const adapter = placementsOf(t, here).for(isolation)
  await here.aliceIn(here.bob, 'alter table notes no force row level security')
  assert.notDeepEqual(await adapter.verify(here.bob), [])
})
