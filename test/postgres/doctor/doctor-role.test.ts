// Who looks must not be able to take: in every kind of database the doctor's role reads catalogs, and no tenant's row.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Isolation } from '../../../src/core/placement.ts'
import type { PlacedTenant } from '../../../src/core/placement-adapter.ts'
import type { ControlConnection } from '../../../src/postgres/control-pool.ts'
import { asDoctor } from '../../../src/postgres/doctor/as-doctor.ts'
import { inBrokenDatabase } from '../../support/doctor-stage.ts'
import { type Fleet, fleet } from '../../support/fleet.ts'

/** Whatever of the application's it may touch, and whatever of partywall's it may run with another's rights. */
const reach = `
  select format('%I.%I', n.nspname, c.relname) as object
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
   where n.nspname not in ('pg_catalog', 'information_schema', 'partywall') and n.nspname !~ '^pg_'
     and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
     and (case when c.relkind = 'S' then has_sequence_privilege('partywall_doctor', c.oid, 'usage, select, update')
               else has_table_privilege('partywall_doctor', c.oid, 'select, insert, update, delete, truncate, references, trigger')
                 or has_any_column_privilege('partywall_doctor', c.oid, 'select, insert, update, references') end)
  union all
  select p.oid::regprocedure::text
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
   where n.nspname !~ '^(pg_|information_schema$)' and p.prosecdef and has_function_privilege('partywall_doctor', p.oid, 'execute')
  union all
  select format('%I.%I: writes', n.nspname, c.relname)
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
   where n.nspname = 'partywall' and c.relkind in ('r', 'p', 'v')
     and (has_table_privilege('partywall_doctor', c.oid, 'insert, update, delete, truncate, references, trigger')
       or has_any_column_privilege('partywall_doctor', c.oid, 'insert, update, references'))
  union all
  select format('role %I', r.rolname)
    from pg_catalog.pg_roles as r
   where r.rolname not in ('partywall_doctor', 'pg_read_all_settings') and pg_has_role('partywall_doctor', r.oid, 'member')
  union all
  select format('attributes of %I', r.rolname)
    from pg_catalog.pg_roles as r
   where r.rolname = 'partywall_doctor'
     and (r.rolsuper or r.rolbypassrls or r.rolcanlogin or r.rolcreaterole or r.rolcreatedb or r.rolreplication)
   order by 1`

/** Asked of the catalog too, where there is more to be taken. */
const refused: readonly (readonly [string, string])[] = [
  ['the handles that open gates', 'select c.capability from partywall.capabilities as c'],
  ['a capability', `select i.capability from partywall.issue(array['$tenant'::uuid], interval '1 minute', 'eve') as i`],
  ['a capability by its login', `select i.capability from partywall.issue_own(interval '1 minute', 'eve') as i`],
  ['the owner’s way behind the wall', `select partywall.act_for('$tenant', null, null)`],
  ['a gate', `select partywall.set_gate('$tenant', 'open')`],
  ['the list of what is protected', 'delete from partywall.protected_tables'],
  ['its own privileges', 'grant partywall_owner to partywall_doctor'],
]
const refusedInCatalog: readonly (readonly [string, string])[] = [
  ['hashes of API keys', 'select k.secret_hash from partywall.api_keys as k'],
  ['an API key', `select k.prefix from partywall.find_api_key('abcdefghijkl') as k`],
  ['names of secrets', 'select d.secret_name from partywall.databases as d'],
  ['what destroys a server', 'select s.provisioned from partywall.servers as s'],
  ['what operations were given', 'select o.input from partywall.operations as o'],
  ['settings of tenants', 'select t.settings from partywall.tenants as t'],
  ['the audit trail', 'select a.details from partywall.audit_trail as a'],
]

describe('the doctor', () => {
  let stage: Fleet
  before(async () => {
    stage = await fleet()
  })
  after(async () => {
    await stage.strike()
  })

  for (const isolation of ['pooled', 'schema', 'database', 'server'] satisfies Isolation[]) {
    test(`in a ${isolation} placement reads what the wall says of itself, and no row of a tenant`, async () => {
      const tenant = await stage.tenant(isolation)
      await stage.as(tenant, (connection) => connection.query(`insert into notes (tenant_id, title) values ($1, 'mine')`, [tenant.id]))
      const { schema } = tenant.placement
      const [truth] = await stage.alice<{ count: number }>(
        tenant.placement,
        `select count(*)::int as count from ${schema}.notes where title = 'mine'`,
      )
      assert.ok(truth!.count > 0, 'there is something to be read')

      assert.deepEqual(await stage.alice(tenant.placement, reach), [])
      const listed = await look<{ table_name: string }>(stage, tenant, 'select p.table_name from partywall.protected_tables as p')
      assert.ok(
        listed.some(({ table_name }) => table_name === `${schema}.notes`),
        'it sees the list',
      )
      const gates = await look<{ state: string }>(
        stage,
        tenant,
        `select g.state from partywall.gates as g where g.tenant_id = '${tenant.id}'`,
      )
      assert.deepEqual(gates, [{ state: 'open' }])

      const statements = [
        ['rows', `select n.title from ${schema}.notes as n`] as const,
        ...refused,
        ...(isolation === 'pooled' ? refusedInCatalog : []),
      ]
      for (const [what, text] of statements) {
        await assert.rejects(look(stage, tenant, text.replaceAll('$tenant', tenant.id)), { code: /^(42501|25006)$/ }, what)
      }
    })
  }

  test('cannot write where somebody gave it the right to', async () => {
    const tenant = await stage.tenant('pooled')
    await assert.rejects(look(stage, tenant, 'create table app.mine (a int)'), { code: '25006' })
  })
})

test('whatever the doctor is given is seen', async (t) => {
  await inBrokenDatabase(t, async (superuser) => {
    const found = async () => (await superuser.query<{ object: string }>(reach)).map(({ object }) => object)
    assert.deepEqual(await found(), [])
    await superuser.query(`
      create table app.notes (id int, title text);
      grant select (title) on app.notes to partywall_doctor;
      grant execute on function partywall.issue(uuid[], interval, text) to partywall_doctor;
      grant insert on partywall.gates to partywall_doctor;
      grant pg_read_all_data to partywall_doctor;
      alter role partywall_doctor login`)
    const broken = await found()
    for (const object of [
      'app.notes',
      /partywall\.issue\(/,
      'partywall.gates: writes',
      'role pg_read_all_data',
      'attributes of partywall_doctor',
    ]) {
      assert.ok(
        broken.some((each) => (typeof object === 'string' ? each === object : object.test(each))),
        `${object} in ${broken.join(', ')}`,
      )
    }
  })
})

async function look<Row extends object>({ connections }: Fleet, { placement }: PlacedTenant, text: string): Promise<readonly Row[]> {
  return await connections.asMigrator(placement.database, (pool) =>
    asDoctor(pool, (control: ControlConnection) => control.query<Row>(text)),
  )
}
