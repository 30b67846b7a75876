// Each rule of verify: broken, found, mended by its own SQL, found no more.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { PlacedTenant } from '../../../src/core/placement-adapter.ts'
import { type Fleet, fleet } from '../../support/fleet.ts'

interface Break {
  readonly rule: string
  /** As a superuser in the tenant's database; {schema}, {login} and {tenant} stand for what they say. */
  readonly sql: string
}

const inSchema: readonly Break[] = [
  { rule: 'schema_owner', sql: 'alter schema {schema} owner to partywall_migrator' },
  { rule: 'schema_privilege', sql: 'grant usage on schema {schema} to public' },
  { rule: 'schema_privilege', sql: 'grant usage on schema {schema} to partywall_gatekeeper' },
  { rule: 'schema_entry', sql: 'revoke usage on schema {schema} from partywall_app' },
  { rule: 'tenant_check', sql: 'alter table {schema}.folders drop constraint partywall_tenant_check' },
  { rule: 'row_security_off', sql: 'alter table {schema}.folders no force row level security' },
  { rule: 'policy', sql: 'drop policy partywall_wall_select on {schema}.folders' },
  {
    rule: 'unprotected_table',
    sql: 'create table {schema}.loose (tenant_id uuid not null primary key); alter table {schema}.loose owner to partywall_owner; grant select on {schema}.loose to partywall_app',
  },
]

const inDatabase: readonly Break[] = [
  { rule: 'database_privilege', sql: 'grant connect on database {login} to public' },
  { rule: 'database_privilege', sql: 'grant connect on database {login} to partywall_app' },
  { rule: 'login_membership', sql: 'grant partywall_app to {login}' },
  { rule: 'login_membership', sql: 'revoke partywall_tenants from {login}' },
  { rule: 'role_attributes', sql: 'alter role {login} bypassrls' },
  { rule: 'search_path', sql: 'alter role {login} reset search_path' },
  { rule: 'login_tenant', sql: 'delete from partywall.logins' },
  { rule: 'row_security_off', sql: 'alter table app.folders no force row level security' },
  { rule: 'policy', sql: 'drop policy partywall_wall_select on app.folders' },
]

describe('verify', () => {
  let made: Fleet
  const tenants = new Map<string, PlacedTenant>()
  before(async () => {
    made = await fleet()
    for (const isolation of ['schema', 'database'] as const) tenants.set(isolation, await made.tenant(isolation))
  })
  after(() => made.strike())

  for (const [isolation, breaks] of [
    ['schema', inSchema],
    ['database', inDatabase],
  ] as const) {
    for (const { rule, sql } of breaks) {
      test(`${isolation}: ${rule} (${sql.slice(0, 50)}…) is found, and mended by its own SQL`, async () => {
        const tenant = tenants.get(isolation)!
        const adapter = made.placements.for(isolation)
        assert.deepEqual(await adapter.verify(tenant), [])
        const { schema, database } = tenant.placement
        await made.alice(tenant.placement, sql.replaceAll('{schema}', schema).replaceAll('{login}', database))
        const findings = await adapter.verify(tenant)
        assert.ok(
          findings.some((finding) => finding.rule === rule),
          `found ${findings.map((finding) => finding.rule).join(', ') || 'nothing'}`,
        )
        for (const { fix } of findings) if (fix !== null) await made.alice(tenant.placement, fix)
        assert.deepEqual(await adapter.verify(tenant), [])
      })
    }
  }

  test('a server in another region, another version, a gate that is gone', async () => {
    const tenant = await made.tenant('pooled')
    const rules = async (): Promise<readonly string[]> =>
      (await made.placements.for('pooled').verify({ ...tenant, region: 'mars' })).map(({ rule }) => rule)
    assert.deepEqual(await rules(), ['region'])
    await made.catalog.superuser.query(`update partywall.databases set version = '0001' where name = 'main'`)
    assert.deepEqual(await rules(), ['region', 'version'])
    await made.catalog.superuser.query(`update partywall.databases set version = '0002' where name = 'main'`)
    await made.catalog.superuser.query('delete from partywall.gates where tenant_id = $1', [tenant.id])
    assert.deepEqual(await rules(), ['region', 'gate'])
  })

  test('a gate that is open although the tenant is suspended', async () => {
    const tenant = await made.tenant('pooled')
    const problems = async (): Promise<readonly string[]> =>
      (await made.placements.for('pooled').verify(tenant)).map(({ problem }) => problem)
    const status = (to: string) => made.catalog.superuser.query('update partywall.tenants set status = $2 where id = $1', [tenant.id, to])
    assert.deepEqual(await problems(), [])
    await status('suspended')
    assert.deepEqual(await problems(), [], 'the gate has followed')
    await made.catalog.superuser.query(`select partywall.set_gate($1, 'open')`, [tenant.id])
    assert.deepEqual(await problems(), ['The tenant is suspended, and its gate is open: it is served as before.'])
    await status('active')
    assert.deepEqual(await problems(), [])
    const own = await made.tenant('schema')
    assert.deepEqual(await made.placements.for('schema').verify(own), [])
    await made.catalog.superuser.query(`update partywall.tenants set status = 'suspended' where id = $1`, [own.id])
    // No trigger of the catalog's reaches another database.
    assert.deepEqual(
      (await made.placements.for('schema').verify(own)).map(({ rule }) => rule),
      ['gate'],
    )
  })

  test('a database that a tenant’s login may connect to beside its own is named', async () => {
    const tenant = await made.tenant('server')
    await made.alice({ ...tenant.placement, database: 'postgres' }, 'grant connect on database postgres to public')
    const findings = await made.placements.for('server').verify(tenant)
    assert.deepEqual(
      findings.map(({ rule, object }) => [rule, object]),
      [['connect_elsewhere', 'postgres']],
    )
    await made.alice(tenant.placement, findings[0]!.fix!)
    assert.deepEqual(await made.placements.for('server').verify(tenant), [])
  })
})
