// Tenants with a place of their own, as somebody else's session sees it, and as their own login sees the server.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { PlacedTenant } from '../../../src/core/placement-adapter.ts'
import { ControlPool } from '../../../src/postgres/control-pool.ts'
import { type Fleet, fleet } from '../../support/fleet.ts'
import { passwords, urlFor } from '../../support/template.ts'

const own = ['database', 'server'] as const

describe('threats to placements', () => {
  let made: Fleet
  let bob: PlacedTenant
  let carol: PlacedTenant
  before(async () => {
    made = await fleet()
    bob = await made.tenant('schema')
    carol = await made.tenant('schema')
    for (const tenant of [bob, carol]) {
      await made.as(tenant, (connection) =>
        connection.query(`insert into folders (name) values ('of ' || $1), ('again of ' || $1)`, [tenant.id]),
      )
    }
  })
  after(() => made.strike())

  test('another tenant’s schema is named in full: no row is read, changed or deleted', async () => {
    const theirs = `${carol.placement.schema}.folders`
    const [truth] = await made.alice<{ count: string }>(carol.placement, `select count(*) from ${theirs}`)
    assert.equal(truth?.count, '2')
    for (const text of [
      `select * from ${theirs}`,
      `update ${theirs} set name = 'taken' returning name`,
      `delete from ${theirs} returning name`,
    ]) {
      assert.deepEqual(await made.as(bob, (connection) => connection.query(text)), [], text)
    }
    assert.deepEqual(await made.alice(carol.placement, `select name from ${theirs} where name not like '%of ' || $1`, [carol.id]), [])
  })

  test('another tenant’s schema takes no row from outside, neither as one’s own nor as theirs', async () => {
    const theirs = `${carol.placement.schema}.folders`
    await assert.rejects(
      made.as(bob, (connection) => connection.query(`insert into ${theirs} (name) values ('mine')`)),
      { code: '23514', constraint: 'partywall_tenant_check' },
    )
    await assert.rejects(
      made.as(bob, (connection) => connection.query(`insert into ${theirs} (tenant_id, name) values ($1, 'theirs')`, [carol.id])),
      { code: '42501' },
    )
    await assert.rejects(
      made.as(bob, (connection) => connection.query(`update folders set tenant_id = $1`, [carol.id])),
      { code: '42501' },
    )
  })

  test('a name that is not in the schema is found nowhere', async () => {
    await made.alice(bob.placement, `create table if not exists public.fallen (a int); grant select on public.fallen to public`)
    try {
      for (const name of ['fallen', 'gates', 'nowhere']) {
        await assert.rejects(
          made.as(bob, (connection) => connection.query(`select from ${name}`)),
          { code: '42P01' },
          name,
        )
      }
      const findings = await made.placements.for('schema').verify(bob)
      assert.deepEqual(
        findings.map(({ rule }) => rule),
        ['public_table'],
      )
    } finally {
      await made.alice(bob.placement, 'drop table public.fallen')
    }
  })

  test('a schema cannot be entered as its owner, and nothing can be made in it', async () => {
    for (const text of [
      `create table ${bob.placement.schema}.mine (a int)`,
      `alter table folders disable row level security`,
      `drop policy partywall_tenant on folders`,
      `select partywall.act_for('${carol.id}', null, null)`,
      `select partywall.take_schema('${bob.id}', '${carol.placement.schema}', null, null)`,
      `set role partywall_owner`,
    ]) {
      await assert.rejects(
        made.as(bob, (connection) => connection.query(text)),
        { code: '42501' },
        text,
      )
    }
  })

  for (const isolation of own) {
    test(`the login of a tenant of isolation ${isolation} can connect to no other database, and nobody else’s to its own`, async () => {
      const [tenant, other] = [await made.tenant(isolation), await made.tenant(isolation)]
      const url = made.secrets.get(`server/${tenant.placement.server}/admin`)!
      const login = { name: tenant.placement.database, password: made.secrets.get(`tenant/${tenant.id}/login`)! }
      const elsewhere = [
        'postgres',
        'template1',
        ...(isolation === 'database' ? [other.placement.database, made.catalog.name, made.schemas] : []),
      ]
      for (const database of elsewhere) await refused(urlFor(url, database, login), database)
      for (const role of ['app', 'gatekeeper'] as const) {
        await refused(urlFor(url, tenant.placement.database, { name: `partywall_${role}`, password: passwords[role] }), role)
      }
      const guest = { name: other.placement.database, password: made.secrets.get(`tenant/${other.id}/login`)! }
      await refused(urlFor(url, tenant.placement.database, guest), 'another tenant')
      assert.equal(await canConnect(urlFor(url, tenant.placement.database, login)), undefined)
    })

    test(`the login of a tenant of isolation ${isolation} is shown nothing of how it is kept in`, async () => {
      const tenant = await made.tenant(isolation)
      for (const text of [
        'select * from partywall.logins',
        'select * from partywall.capabilities',
        'select * from partywall.gates',
        `insert into partywall.logins (login, tenant_id) values (session_user, '${bob.id}')`,
        `select * from partywall.issue(array['${bob.id}'::uuid], interval '1 minute', 'me')`,
        `select partywall.act_for('${bob.id}', null, null)`,
        'select rolpassword from pg_catalog.pg_authid',
        'create table app.mine (a int)',
        'create temporary table mine (a int)',
        'create schema mine',
        'set role partywall_owner',
        'alter table folders no force row level security',
      ]) {
        await assert.rejects(
          made.as(tenant, (connection) => connection.query(text)),
          { code: '42501' },
          text,
        )
      }
      const [login] = await made.as(tenant, (connection) =>
        connection.query<{ safe: boolean }>(
          `select not (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication) as safe from pg_catalog.pg_roles as r where r.rolname = session_user`,
        ),
      )
      assert.equal(login?.safe, true)
    })
  }

  test('a template lets nobody in', async () => {
    await made.tenant('database')
    await refused(urlFor(made.catalog.urls.migrator, await made.placements.templates.name()), 'template')
  })

  test('names on the server say nothing of a tenant', async () => {
    const tenant = await made.tenant('database')
    const [role] = await made.catalog.superuser.query<{ note: string }>(
      `select shobj_description(r.oid, 'pg_authid') as note from pg_catalog.pg_roles as r where r.rolname = $1`,
      [tenant.placement.database],
    )
    assert.match(tenant.placement.database, /^pw_[0-9a-f]{24}$/)
    assert.ok(!role?.note.includes(tenant.id))
  })

  for (const isolation of ['schema', 'database'] as const) {
    test(`running statements of a tenant of isolation ${isolation} are ended, and nobody else’s`, async () => {
      const [tenant, other] = [await made.tenant(isolation), await made.tenant(isolation)]
      for (const one of [tenant, other]) await made.as(one, (connection) => connection.query(`insert into folders (name) values ('x')`))
      const sleepers = [tenant, other].map((one) => made.as(one, (connection) => connection.query('select pg_sleep(20) from folders')))
      const outcomes = sleepers.map((sleeper) =>
        sleeper.then(
          () => 'finished',
          (error: { code?: string }) => error.code,
        ),
      )
      await bothSleep(made)
      assert.equal(await made.placements.for(isolation).endStatements(tenant), 1)
      assert.equal(await outcomes[0], '57014')
      assert.equal(await made.placements.for(isolation).endStatements(other), 1)
      assert.equal(await outcomes[1], '57014')
      assert.equal(await made.placements.for(isolation).endStatements(tenant), 0)
    })
  }
})

/** Waits for the fact that both statements run, as the server says. */
async function bothSleep({ catalog }: Fleet): Promise<void> {
  for (;;) {
    const [row] = await catalog.superuser.query<{ count: number }>(
      `select count(*)::int as count from pg_catalog.pg_stat_activity as a where a.wait_event = 'PgSleep' and a.application_name = 'test-app'`,
    )
    if ((row?.count ?? 0) >= 2) return
  }
}

async function refused(url: string, what: string): Promise<void> {
  const code = await canConnect(url)
  assert.ok(code === '42501' || code === '55000', `${what}: ${code}`)
}

/** @returns the refusal's code, or undefined. */
async function canConnect(url: string): Promise<string | undefined> {
  const pool = new ControlPool({ connectionString: url, applicationName: 'test-guest', connectionsMax: 1 })
  try {
    await pool.query('select 1')
    return undefined
  } catch (error) {
    return String((error as { code?: unknown }).code)
  } finally {
    await pool.close()
  }
}
