// The boot gate, rule by rule: broken → found → mended by the SQL of the finding, word for word → clean.
// Roles belong to the whole server: whatever is done to a role is done to one of the test's own.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, type TestContext, test } from 'node:test'
import { assertSafe, type BootFinding, bootFindings } from '../../src/postgres/boot-gate.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { createTenancy } from '../../src/tenancy.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const table = `
  create table app.notes (tenant_id uuid not null, id uuid not null, body text, constraint notes_pkey primary key (tenant_id, id));
  select partywall.protect('app.notes');
  create table app.countries (code text primary key);
  select partywall.declare_global('app.countries', 'The same for everybody.');`

interface Scene {
  readonly database: TestDatabase
  readonly gatekeeper: ControlPool
  /** A role of this test's own, that can do what the app's can. */
  readonly role: string
  find(): Promise<readonly BootFinding[]>
}

async function scene(t: TestContext): Promise<Scene> {
  const database = await testDatabase(t)
  const gatekeeper = new ControlPool({ connectionString: database.urls.gatekeeper, applicationName: 'test' })
  t.after(() => gatekeeper.close())
  const role = `test_app_${randomBytes(4).toString('hex')}`
  await database.superuser.query(`create role ${role} login nosuperuser nobypassrls nocreaterole nocreatedb noreplication`)
  t.after(async () => {
    // Hooks run in order; the database is dropped later.
    await database.superuser.query(`reassign owned by ${role} to postgres; drop owned by ${role}; drop role ${role}`)
  })
  await database.superuser.query(`set role partywall_owner; ${table} reset role`)
  await database.superuser.query(`
    grant usage on schema app, partywall to ${role};
    grant select, insert, update, delete on app.notes to ${role};
    grant select on app.countries to ${role}`)
  return { database, gatekeeper, role, find: async () => await bootFindings(gatekeeper, role) }
}

interface Rule {
  readonly rule: string
  readonly name: string
  /** ROLE stands for the role of the test. */
  readonly broken: string
  readonly asSuperuser?: boolean
  /** How many findings of this rule. */
  readonly count?: number
  /** No SQL can decide it. */
  readonly unfixable?: boolean
}

const rules: readonly Rule[] = [
  ...['superuser', 'bypassrls', 'createrole', 'createdb', 'replication'].map((attribute) => ({
    rule: 'role_attributes',
    name: `the app’s login has ${attribute.toUpperCase()}`,
    broken: `alter role ROLE ${attribute}`,
  })),
  { rule: 'stored_setting', name: 'it begins with another search_path', broken: 'alter role ROLE set search_path = public, app' },
  {
    rule: 'stored_setting',
    name: 'it begins with row-level security as an error or a role',
    broken: 'alter role ROLE in database DATABASE set row_security = off',
  },
  { rule: 'membership', name: 'it can become the owner', broken: 'grant partywall_owner to ROLE' },
  { rule: 'membership', name: 'it may read all data by a predefined role', broken: 'grant pg_read_all_data to ROLE' },
  { rule: 'ownership', name: 'it owns a table', broken: 'alter table app.countries owner to ROLE' },
  {
    rule: 'ownership',
    name: 'it owns a view',
    broken: 'create view app.v with (security_invoker) as select 1 as a; alter view app.v owner to ROLE',
  },
  {
    rule: 'ownership',
    name: 'it owns a function',
    broken: 'create function app.f() returns integer language sql return 1; alter function app.f() owner to ROLE',
  },
  { rule: 'ownership', name: 'it owns a schema', broken: 'create schema own authorization ROLE' },
  { rule: 'create_privilege', name: 'it may create in the application’s schema', broken: 'grant create on schema app to ROLE' },
  { rule: 'create_privilege', name: 'everybody may create in public', broken: 'grant create on schema public to public' },
  { rule: 'database_privilege', name: 'it may make temporary tables', broken: 'grant temporary on database DATABASE to public' },
  { rule: 'database_privilege', name: 'it may make schemas', broken: 'grant create on database DATABASE to ROLE' },
  { rule: 'parameter_privilege', name: 'it may switch triggers off', broken: 'grant set on parameter session_replication_role to ROLE' },
  {
    rule: 'unprotected_table',
    name: 'it reaches a table that is not protected',
    broken:
      'create table app.others (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id)); alter table app.others owner to partywall_owner; grant select on app.others to ROLE',
  },
  {
    rule: 'unprotected_table',
    name: 'it reaches one column of such a table',
    broken:
      'create table public.others (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id)); alter table public.others owner to partywall_owner; grant select (id) on public.others to public',
  },
  { rule: 'row_security_off', name: 'row-level security is off', broken: 'alter table app.notes disable row level security' },
  { rule: 'row_security_off', name: 'row-level security is not forced', broken: 'alter table app.notes no force row level security' },
  { rule: 'table_privilege', name: 'it may truncate', broken: 'grant truncate on app.notes to ROLE' },
  { rule: 'table_privilege', name: 'everybody may put triggers on', broken: 'grant trigger on app.notes to public' },
  { rule: 'global_table_written', name: 'it may write a global table', broken: 'grant update on app.countries to ROLE' },
  { rule: 'global_table_written', name: 'it may write a column of a global table', broken: 'grant update (code) on app.countries to ROLE' },
  {
    rule: 'tenant_column',
    name: 'the tenant may be null',
    broken: 'alter table app.notes drop constraint notes_pkey; alter table app.notes alter tenant_id drop not null',
  },
  { rule: 'policy', name: 'the permissive policy is gone', broken: 'drop policy partywall_tenant on app.notes' },
  { rule: 'policy', name: 'a restrictive twin is gone', broken: 'drop policy partywall_wall_insert on app.notes' },
  {
    rule: 'policy',
    name: 'a policy lets all through',
    broken: 'alter policy partywall_tenant on app.notes using (true) with check (true)',
  },
  {
    rule: 'policy',
    name: 'a policy reads for writing what is for reading',
    broken: 'alter policy partywall_wall_delete on app.notes using (tenant_id = (select b.tenant_id from partywall.bound as b))',
  },
  { rule: 'policy', name: 'a policy is for one role', broken: 'alter policy partywall_wall_select on app.notes to partywall_gatekeeper' },
  {
    rule: 'policy',
    name: 'a restrictive twin is permissive',
    broken:
      'drop policy partywall_wall_select on app.notes; create policy partywall_wall_select on app.notes for select using (tenant_id = (select b.tenant_id from partywall.bound as b))',
  },
  {
    rule: 'foreign_policy',
    name: 'somebody else’s permissive policy',
    broken: 'create policy published on app.notes for select using (true)',
  },
  {
    rule: 'definer_view',
    name: 'a view with its owner’s rights',
    broken: 'create view app.v as select 1 as a; grant select on app.v to ROLE',
  },
  {
    rule: 'definer_view',
    name: 'a view that was an invoker’s',
    broken: 'create view app.v with (security_invoker = false) as select * from app.notes; grant select (id) on app.v to ROLE',
  },
  {
    rule: 'materialized_view',
    name: 'a materialized view',
    broken: 'create materialized view app.m as select 1 as a; grant select on app.m to ROLE',
  },
  {
    rule: 'definer_function',
    name: 'a superuser’s definer function',
    broken:
      'create function app.f() returns integer language sql security definer as $$select 1$$; grant execute on function app.f() to ROLE',
  },
  {
    rule: 'denied_function',
    name: 'a function that runs SQL text',
    broken: 'grant execute on function pg_catalog.query_to_xml(text, boolean, boolean, text) to public',
  },
  {
    rule: 'denied_function',
    name: 'a function that ends other sessions',
    broken: 'grant execute on function pg_catalog.pg_terminate_backend(integer, bigint) to ROLE',
  },
  { rule: 'control_plane', name: 'it may read the capabilities', broken: 'grant select on partywall.capabilities to ROLE' },
  { rule: 'control_plane', name: 'it may read a column of the tenants', broken: 'grant select (slug) on partywall.tenants to ROLE' },
  { rule: 'control_plane', name: 'it may change what is bound', broken: 'grant update on partywall.bound to ROLE' },
  {
    rule: 'control_plane',
    name: 'it may issue capabilities',
    broken: `grant execute on function partywall.issue(uuid[], interval, text) to ROLE`,
  },
]

describe('the boot gate finds, and its SQL mends:', () => {
  for (const { rule, name, broken, unfixable } of rules) {
    test(`${rule}: ${name}`, async (t) => {
      const { database, role, find } = await scene(t)
      assert.deepEqual(await find(), [])
      await database.superuser.query(broken.replaceAll('ROLE', role).replaceAll('DATABASE', database.name))
      const findings = await find()
      assert.ok(
        findings.some((finding) => finding.rule === rule),
        JSON.stringify(findings),
      )
      if (unfixable) return
      for (const { fix } of findings) await database.superuser.query(fix!)
      assert.deepEqual(await find(), [])
    })
  }

  test('owner_attributes: an owner that can log in', async (t) => {
    // The owner is the server's: the question is asked inside a transaction that is rolled back.
    const { database, role } = await scene(t)
    const changed = async (statements: readonly string[]): Promise<readonly BootFinding[]> => {
      let found: readonly BootFinding[] = []
      await database.superuser
        .transaction(async (connection) => {
          for (const text of statements) await connection.query(text)
          found = await bootFindings(connection, role)
          await connection.query('select 1 / 0')
        })
        .catch(() => {})
      return found
    }
    for (const attribute of ['login', 'superuser', 'bypassrls']) {
      const [finding] = await changed([`alter role partywall_owner ${attribute}`])
      assert.equal(finding?.rule, 'owner_attributes')
      assert.deepEqual(await changed([`alter role partywall_owner ${attribute}`, finding.fix!]), [])
    }
  })

  test('role_identity: one login for the app and the gatekeeper', async (t) => {
    const { gatekeeper } = await scene(t)
    const findings = await bootFindings(gatekeeper, 'partywall_gatekeeper')
    assert.ok(findings.some(({ rule, fix }) => rule === 'role_identity' && fix === null))
  })

  test('every finding at once, in one error', async (t) => {
    const { database, gatekeeper, role } = await scene(t)
    await database.superuser.query(`grant truncate on app.notes to ${role}; drop policy partywall_tenant on app.notes`)
    await assert.rejects(assertSafe(gatekeeper, role), (error: { code: string; message: string; details: { findings: BootFinding[] } }) => {
      assert.equal(error.code, 'PW_BOOT_REFUSED')
      assert.deepEqual(error.details.findings.map(({ rule }) => rule).sort(), ['policy', 'table_privilege'])
      for (const { problem, fix } of error.details.findings) assert.ok(error.message.includes(problem) && error.message.includes(fix!))
      return true
    })
  })
})

describe('createTenancy() refuses', () => {
  const start = async (catalog: string, database: string) => {
    const tenancy = await createTenancy({ catalog, database })
    await tenancy.close()
  }
  const ruleOf = (rule: string) => (error: { code: string; details: { findings?: readonly BootFinding[] } }) => {
    assert.equal(error.code, 'PW_BOOT_REFUSED')
    assert.deepEqual(
      error.details.findings?.map((finding) => finding.rule),
      [rule],
    )
    return true
  }

  test('nothing when all is well', async (t) => {
    const { urls } = await testDatabase(t)
    await start(urls.gatekeeper, urls.app)
  })

  test('swapped and equal logins', async (t) => {
    const { urls } = await testDatabase(t)
    await assert.rejects(start(urls.app, urls.gatekeeper), { code: 'PW_BOOT_REFUSED' })
    await assert.rejects(start(urls.gatekeeper, urls.gatekeeper), { code: 'PW_BOOT_REFUSED' })
    await assert.rejects(start(urls.app, urls.app), (error: { code: string }) => error.code !== undefined)
    for (const powerful of [urls.superuser, urls.migrator])
      await assert.rejects(start(urls.gatekeeper, powerful), { code: 'PW_BOOT_REFUSED' })
  })

  test('two databases', async (t) => {
    const [one, two] = [await testDatabase(t), await testDatabase(t)]
    await assert.rejects(start(one.urls.gatekeeper, two.urls.app), ruleOf('other_database'))
  })

  test('a database without partywall', async (t) => {
    const { superuser, urls } = await testDatabase(t)
    await superuser.query('drop schema partywall cascade')
    await assert.rejects(start(urls.gatekeeper, urls.app), ruleOf('not_installed'))
  })

  test('URLs that lead nowhere: a wrong password, database, port, host, and none', async (t) => {
    const { urls } = await testDatabase(t)
    const wrong = (change: (url: URL) => void): string => {
      const url = new URL(urls.app)
      change(url)
      return url.href
    }
    const nowhere = [
      wrong((url) => (url.password = 'wrong')),
      wrong((url) => (url.pathname = '/no_such_database')),
      wrong((url) => (url.port = '1')),
      wrong((url) => (url.hostname = 'nowhere.invalid')),
    ]
    for (const url of nowhere) {
      const error = await start(urls.gatekeeper, url).catch((thrown: { code: string; message: string }) => thrown)
      assert.match(error!.code, /^PW_(DATABASE_UNAVAILABLE|CONFIGURATION)$/, `${url}: ${error!.message}`)
      assert.doesNotMatch(error!.message, /app-test|wrong@/)
    }
    await assert.rejects(start('', urls.app), { code: 'PW_CONFIGURATION' })
    await assert.rejects(start(urls.gatekeeper, ''), { code: 'PW_CONFIGURATION' })
  })
})
