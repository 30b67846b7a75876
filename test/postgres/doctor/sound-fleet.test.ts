// The doctor over a fleet that is as it should be: a shared database, one of schemas, and a tenant's own. It has nothing to say.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type ControlConnection, ControlPool } from '../../../src/postgres/control-pool.ts'
import { allChecks } from '../../../src/postgres/doctor/all-checks.ts'
import { type CliFleet, cliFleet } from '../../support/cli-fleet.ts'
import { findAsDoctor } from '../../support/doctor-stage.ts'

const usual = `
  create table app.events (
    tenant_id uuid not null, id uuid not null default partywall.uuidv7(), at timestamptz not null, body text,
    constraint events_pkey primary key (tenant_id, id, at)
  ) partition by range (at);
  create table app.events_2026 partition of app.events for values from ('2026-01-01') to ('2027-01-01');
  select partywall.protect('app.events');
  create table app.countries (code text primary key, name text not null);
  select partywall.declare_global('app.countries', 'Countries are the same for everybody.');
  create view app.recent with (security_invoker = true) as select e.id, e.body from app.events as e;
  grant select on app.recent to partywall_app, partywall_tenants;
  create function app.twice(n integer) returns integer language sql immutable return n * 2;
  grant execute on function app.twice(integer) to partywall_app, partywall_tenants`

const audited = `
  select partywall.create_audit_log();
  create table bookings (tenant_id uuid not null, id uuid not null default partywall.uuidv7(), constraint bookings_pkey primary key (tenant_id, id));
  select partywall.protect('bookings');
  select partywall.audit_changes('bookings')`

describe('a sound fleet', () => {
  let cli: CliFleet
  let databases: readonly string[]

  before(async () => {
    cli = await cliFleet()
    const { fleet, catalog } = cli
    await fleet.secrets.put('server/main/admin', catalog.urls.superuser)
    const schemas = `${catalog.name}_schemas`
    await fleet.placements.schemaDatabases.create({ server: 'main', name: schemas })
    for (const [slug, plan] of [
      ['acme', 'free'],
      ['globex', 'team'],
      ['umbrella', 'business'],
    ] as const) {
      await cli.json('tenant', 'onboard', slug, '--plan', plan)
    }
    const own = await catalog.superuser.query<{ name: string }>(`select d.name from partywall.databases as d where d.holds = 'tenant'`)
    databases = [catalog.name, schemas, ...own.map(({ name }) => name)]
    assert.equal(databases.length, 3)
    await catalog.superuser.transaction(async (superuser) => {
      await superuser.query('create extension if not exists citext schema public')
      await superuser.query('create extension if not exists pgcrypto schema app')
      await superuser.query('set local role partywall_owner')
      await superuser.query(usual)
    })
    const tenants = await catalog.superuser.query<{ database: string; schema: string }>(
      'select t.database_name as database, t.schema_name as schema from partywall.tenants as t',
    )
    for (const { database, schema } of tenants) {
      await asAlice(database === 'main' ? catalog.name : database, async (superuser) => {
        await superuser.query(`set local role partywall_owner; set local search_path = ${schema}, pg_temp; ${audited}`)
      })
    }
  })

  after(async () => {
    await cli.strike()
  })

  const asAlice = async <T>(database: string, fn: (superuser: ControlConnection) => Promise<T>): Promise<T> => {
    const url = new URL(cli.catalog.urls.superuser)
    url.pathname = `/${database}`
    const pool = new ControlPool({ connectionString: url.href, applicationName: 'test-sound-fleet', connectionsMax: 1 })
    try {
      return await pool.transaction(fn)
    } finally {
      await pool.close()
    }
  }

  for (const check of allChecks) {
    test(`leaves ${check.stem} with nothing to say`, async () => {
      for (const database of check.scope === 'catalog' ? databases.slice(0, 1) : databases) {
        const found = await asAlice(database, async (superuser) => await findAsDoctor(superuser, check))
        // Roles and databases of other tests are on the same server, and may be as unsound as they like.
        const isOurs = (object: string) => /partywall/.test(object) || databases.some((name) => object.includes(name))
        assert.deepEqual(check.scope === 'server' ? found.filter(({ object }) => isOurs(object)) : found, [], database)
      }
    })
  }
})
