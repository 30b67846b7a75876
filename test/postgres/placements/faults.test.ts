// What goes wrong while a place is made or dropped: nothing is left that cannot be gone on with, or dropped.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { databaseNameOf, schemaNameOf } from '../../../src/core/placement.ts'
import type { TenantId } from '../../../src/core/tenant.ts'
import {
  CapacityError,
  ConfigurationError,
  DatabaseFullError,
  DatabaseUnavailableError,
  PlacementConflictError,
  RegionMismatchError,
} from '../../../src/errors.ts'
import { ControlPool } from '../../../src/postgres/control-pool.ts'
import { type Fleet, fleet, Killed, open } from '../../support/fleet.ts'
import { plainMigrations } from '../../support/plain-migrations.ts'
import { urlFor } from '../../support/template.ts'

const stepsOf = {
  pooled: ['gate'],
  schema: ['schema', 'migrations'],
  database: ['secret', 'login', 'database', 'privileges', 'migrations', 'settled'],
} as const

const stepsOfDropping = {
  pooled: ['gate removed'],
  schema: ['tables dropped', 'schema dropped'],
  database: ['database dropped', 'login dropped'],
} as const

describe('faults', () => {
  let made: Fleet
  before(async () => {
    made = await fleet()
  })
  after(() => made.strike())

  for (const isolation of ['pooled', 'schema', 'database'] as const) {
    const adapter = () => made.placements.for(isolation)

    for (const step of stepsOf[isolation]) {
      test(`${isolation}: killed at “${step}”, provisioning is gone on with`, async () => {
        const tenant = await made.placed(isolation)
        made.failAt = step
        await assert.rejects(adapter().provision(tenant), Killed)
        made.failAt = undefined
        await adapter().provision(tenant)
        await open(made, tenant)
        assert.deepEqual(await adapter().verify(tenant), [])
        await made.as(tenant, (connection) => connection.query(`insert into folders (name) values ('x')`))
      })

      test(`${isolation}: killed at “${step}”, it is dropped without a rest`, async () => {
        const tenant = await made.placed(isolation)
        made.failAt = step
        await assert.rejects(adapter().provision(tenant), Killed)
        made.failAt = undefined
        await made.tenants.setStatus(tenant.id, 'offboarding')
        await adapter().drop(tenant)
        await made.tenants.remove(tenant.id)
        assert.deepEqual(await adapter().remains(tenant), [])
      })
    }

    for (const step of stepsOfDropping[isolation]) {
      test(`${isolation}: killed at “${step}”, dropping is gone on with`, async () => {
        const tenant = await made.tenant(isolation)
        await made.tenants.setStatus(tenant.id, 'offboarding')
        made.failAt = step
        await assert.rejects(adapter().drop(tenant), Killed)
        made.failAt = undefined
        await adapter().drop(tenant)
        assert.deepEqual(await adapter().remains(tenant), [])
        await made.tenants.remove(tenant.id)
      })
    }

    test(`${isolation}: two operators who do the same at once make one place`, async () => {
      const id = randomUUID() as TenantId
      const places = await Promise.all([1, 2, 3].map(() => adapter().place({ id, region: 'default' })))
      assert.deepEqual(places[1], places[0])
      assert.deepEqual(places[2], places[0])
      const tenant = { id, region: 'default', keys: {}, placement: places[0]! }
      await Promise.all([adapter().provision(tenant), adapter().provision(tenant)])
      await adapter().setGate(tenant, 'open')
      await made.as(tenant, (connection) => connection.query(`insert into folders (name) values ('x')`))
      await Promise.all([adapter().drop(tenant), adapter().drop(tenant)])
      assert.deepEqual(await adapter().remains(tenant), [])
    })
  }

  test('a schema of the name that is not recorded as this tenant’s is refused, and left as it is', async () => {
    const tenant = await made.placed('schema')
    const place = tenant.placement
    assert.equal(place.schema, schemaNameOf(tenant.id))
    await made.alice(place, `create schema ${place.schema}; create table ${place.schema}.theirs (a int)`)
    await assert.rejects(made.placements.for('schema').provision(tenant), PlacementConflictError)
    await assert.rejects(made.placements.for('schema').drop(tenant), PlacementConflictError)
    assert.deepEqual(await made.alice(place, `select from ${place.schema}.theirs`), [])
    await made.alice(place, `drop schema ${place.schema} cascade`)
    await made.placements.for('schema').drop(tenant)
  })

  test('a database or a login of the name that was not made for the tenant is refused, and left as it is', async () => {
    for (const [what, make, unmake] of [
      ['login', 'create role', 'drop role'],
      ['database', 'create database', 'drop database'],
    ] as const) {
      const tenant = await made.placed('database')
      const name = databaseNameOf(tenant.id)
      // Closed, as the logins of other tests on the server may not enter it.
      await made.catalog.superuser.query(`${make} ${name}${what === 'database' ? ' allow_connections false' : ''}`)
      try {
        await assert.rejects(made.placements.for('database').provision(tenant), PlacementConflictError, what)
      } finally {
        await made.catalog.superuser.query(`${unmake} ${name}`)
        if (what === 'database') await made.catalog.superuser.query(`drop role if exists ${name}`)
      }
    }
  })

  test('a database for schemas does not take the name of another database', async () => {
    const { schemaDatabases } = made.placements
    await assert.rejects(schemaDatabases.create({ server: 'main', name: made.catalog.name }), PlacementConflictError)
    await assert.rejects(schemaDatabases.create({ server: 'main', name: 'No Name' }), ConfigurationError)
    await schemaDatabases.create({ server: 'main', name: made.schemas })
  })

  test('no database that is being made is one that PUBLIC may enter', async () => {
    const enterable: string[] = []
    const newer = made.with(plainMigrations(['create table early (tenant_id uuid not null, id uuid, primary key (tenant_id, id))']))
    made.onStep = async (step) => {
      if (!step.endsWith('created')) return
      const open = await made.catalog.superuser.query<{ name: string }>(
        `select d.datname as name from pg_catalog.pg_database as d
          where (starts_with(d.datname, $1) or d.datname like 'partywall\\_draft\\_%') and d.datallowconn and has_database_privilege('public', d.oid, 'connect')`,
        [await newer.templates.name()],
      )
      enterable.push(step, ...open.map(({ name }) => name))
    }
    const name = `${made.schemas}_early`
    try {
      await newer.templates.ensure('main')
      await newer.schemaDatabases.create({ server: 'main', name })
    } finally {
      made.onStep = () => {}
      await newer.templates.dropAll('main')
      await made.catalog.superuser.query(`delete from partywall.databases where name = '${name}'`)
      await made.connections.letGo(name)
      await made.catalog.superuser.query(`drop database if exists ${name} with (force)`)
    }
    assert.deepEqual(enterable, ['template created', 'schema database created'])
  })

  test('a template with a session in it is waited for', async () => {
    await made.tenant('database')
    const template = await made.placements.templates.name()
    const admin = made.catalog.superuser
    await admin.query(`alter database ${template} with allow_connections true`)
    const guest = new ControlPool({
      connectionString: urlFor(made.catalog.urls.superuser, template),
      applicationName: 'test-guest',
      connectionsMax: 1,
    })
    await guest.query('select 1')
    await admin.query(`alter database ${template} with allow_connections false`)
    made.onStep = async (step) => {
      if (step === 'template in use') await guest.close()
    }
    const tenant = await made.tenant('database')
    made.onStep = () => {}
    assert.ok(made.steps.includes('template in use'))
    assert.deepEqual(await made.placements.for('database').verify(tenant), [])
  })

  test('new migrations make a new template, and the old one is dropped', async () => {
    await made.tenant('database')
    const old = await made.placements.templates.name()
    const newer = made.with(
      plainMigrations([
        "create table folders (tenant_id uuid not null, id uuid, primary key (tenant_id, id)); select partywall.protect('folders')",
      ]),
    )
    const name = await newer.templates.ensure('main')
    assert.notEqual(name, old)
    assert.deepEqual(await newer.templates.dropOld('main'), [old])
    const there = await made.catalog.superuser.query<{ datname: string }>(
      'select d.datname from pg_catalog.pg_database as d where d.datname = any ($1)',
      [[name, old]],
    )
    assert.deepEqual(there, [{ datname: name }])
    // Ours is not there any more, and is made again.
    assert.deepEqual(await made.placements.for('database').verify(await made.tenant('database')), [])
  })

  test('a disk that is full is told as what it is, and what was begun is gone on with', async () => {
    const full = made.with({
      ...plainMigrations(),
      applyAll: async (control) =>
        void (await control.query(
          `do $$ begin raise exception using errcode = '53100', message = 'could not extend file: No space left on device'; end $$`,
        )),
    })
    const tenant = await made.placed('schema')
    await assert.rejects(full.for('schema').provision(tenant), DatabaseFullError)
    await made.placements.for('schema').provision(tenant)
    assert.deepEqual(await made.placements.for('schema').verify(tenant), [])
  })

  test('a server that is down is told as what it is', async () => {
    await made.catalog.superuser.query(
      `insert into partywall.servers (name, region, host, port) values ('down', 'default', '127.0.0.1', 1)`,
    )
    made.secrets.set('server/down/admin', 'postgres://postgres:x@127.0.0.1:1/postgres')
    const tenant = await made.placed('database', { server: 'down' })
    await assert.rejects(made.placements.for('database').provision(tenant), DatabaseUnavailableError)
    await assert.rejects(made.placements.for('database').drop(tenant), DatabaseUnavailableError)
    await made.catalog.superuser.query(`update partywall.servers set state = 'retired' where name = 'down'`)
  })

  test('a secret store that fails leaves no login that nobody has the password of', async () => {
    const tenant = await made.placed('database')
    const set = made.secrets.set.bind(made.secrets)
    made.secrets.set = () => {
      throw new DatabaseUnavailableError('The secret store did not answer in time.')
    }
    try {
      await assert.rejects(made.placements.for('database').provision(tenant), DatabaseUnavailableError)
    } finally {
      made.secrets.set = set
    }
    const roles = await made.catalog.superuser.query('select from pg_catalog.pg_roles as r where r.rolname = $1', [
      tenant.placement.database,
    ])
    assert.equal(roles.length, 0)
    await made.placements.for('database').provision(tenant)
    assert.deepEqual(await made.placements.for('database').verify(tenant), [])
  })

  test('no room and no region are told apart (PW_CAPACITY, PW_REGION_MISMATCH)', async () => {
    const newcomer = (region: string) => ({ id: randomUUID() as TenantId, region })
    for (const isolation of ['pooled', 'schema', 'database'] as const) {
      await assert.rejects(made.placements.for(isolation).place(newcomer('mars')), RegionMismatchError, isolation)
    }
    const moon = await made.catalog.superuser.query(
      `insert into partywall.servers (name, region, host, port, tenants_max) values ('moon', 'moon', '127.0.0.1', 1, 0) returning name`,
    )
    assert.equal(moon.length, 1)
    for (const isolation of ['pooled', 'schema', 'database'] as const) {
      await assert.rejects(
        made.placements.for(isolation).place(newcomer('moon')),
        (error: Error) => error instanceof CapacityError && error.code === 'PW_CAPACITY',
        isolation,
      )
    }
    await assert.rejects(made.placements.for('database').place(newcomer('default'), { server: 'moon' }), RegionMismatchError)
  })

  test('a conflict has its code (PW_PLACEMENT_CONFLICT)', () => {
    assert.equal(new PlacementConflictError('x').code, 'PW_PLACEMENT_CONFLICT')
  })
})
