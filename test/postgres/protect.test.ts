// partywall.protect(): broken → refused → mended by the SQL that the refusal carries, word for word → accepted.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type TestDatabase, testDatabase } from '../support/database.ts'

interface Finding {
  readonly rule: string
  readonly object: string
  readonly problem: string
  readonly fix: string | null
}

/** What protect() says of the table: nothing, or why not. */
async function refusal(database: TestDatabase, table: string, column = 'tenant_id'): Promise<readonly Finding[]> {
  try {
    await asOwner(database, `select partywall.protect('${table}', '${column}')`)
    return []
  } catch (error) {
    const { code, detail } = error as { code: string; detail: string }
    assert.equal(code, 'PW010')
    return JSON.parse(detail) as Finding[]
  }
}

async function asOwner(database: TestDatabase, text: string): Promise<void> {
  await database.superuser.query(`begin; set local role partywall_owner; ${text}; commit`)
}

interface Case {
  readonly name: string
  /** DDL after which `app.things` cannot be protected. */
  readonly ddl: string
  readonly rules: readonly string[]
  /** Refused again after the first mending: a table may need more than one. */
  readonly rounds?: number
  readonly asSuperuser?: boolean
}

const sound = 'tenant_id uuid not null, id uuid not null, label text'
const keyed = `create table app.things (${sound}, constraint things_pkey primary key (tenant_id, id));`

const cases: readonly Case[] = [
  { name: 'no tenant column', ddl: 'create table app.things (id uuid not null)', rules: ['tenant_column'], rounds: 2 },
  {
    name: 'a tenant column that is text',
    ddl: 'create table app.things (tenant_id text not null, id uuid not null, primary key (tenant_id, id))',
    rules: ['tenant_type'],
  },
  ...[
    ['text of another collation', 'text collate "en-x-icu"'],
    ['text whose collation says that two spellings are equal', 'text collate app.loose'],
    ['char(n), which ignores trailing spaces', 'char(12)'],
    ['varchar', 'varchar(12) collate "C"'],
    ['citext, which ignores case', 'public.citext'],
    ['a name', 'name'],
    ['an integer', 'integer'],
    ['a smallint', 'smallint'],
    ['a domain over bigint', 'app.account'],
    ['a domain over uuid', 'app.identity'],
    ['a domain over text', 'app.code'],
  ].map(([what, type]) => ({
    name: `a tenant column that is ${what}`,
    ddl: `create collation app.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      create domain app.account as bigint; create domain app.identity as uuid; create domain app.code as text collate "C";
      create table app.things (tenant_id ${type} not null, id uuid not null, primary key (tenant_id, id))`,
    rules: ['tenant_type'],
    asSuperuser: type === 'public.citext',
  })),
  {
    name: 'a foreign key between types',
    ddl: `create table app.others (tenant_id integer not null, id uuid not null, primary key (tenant_id, id)); create table app.things (tenant_id bigint not null, id uuid not null, other_id uuid, constraint things_pkey primary key (tenant_id, id), constraint things_other foreign key (tenant_id, other_id) references app.others (tenant_id, id))`,
    rules: ['foreign_key_type'],
  },
  {
    name: 'a foreign key between collations',
    ddl: `create table app.things (tenant_id text collate "C" not null, id uuid not null, constraint things_pkey primary key (tenant_id, id)); create table app.others (tenant_id text not null, thing_id uuid, constraint others_thing foreign key (tenant_id, thing_id) references app.things (tenant_id, id))`,
    rules: ['foreign_key_type'],
  },
  {
    name: 'a generated tenant column',
    ddl: `create table app.things (a uuid not null, tenant_id uuid not null generated always as (a) stored, id uuid not null, primary key (tenant_id, id))`,
    rules: ['tenant_generated'],
  },
  {
    name: 'a tenant that may be null',
    ddl: `create table app.things (tenant_id uuid, id uuid not null); create unique index things_key on app.things (tenant_id, id)`,
    rules: ['tenant_null', 'primary_key'],
  },
  { name: 'no primary key', ddl: `create table app.things (${sound})`, rules: ['primary_key'] },
  {
    name: 'a primary key without the tenant',
    ddl: `create table app.things (${sound}, constraint things_pkey primary key (id))`,
    rules: ['primary_key'],
  },
  {
    name: 'a primary key that does not begin with the tenant',
    ddl: `create table app.things (${sound}, constraint things_pkey primary key (id, tenant_id))`,
    rules: ['primary_key'],
  },
  {
    name: 'a unique constraint without the tenant',
    ddl: `${keyed} alter table app.things add constraint things_label_key unique (label)`,
    rules: ['unique'],
  },
  {
    name: 'a unique index without the tenant',
    ddl: `${keyed} create unique index things_lower on app.things (lower(label))`,
    rules: ['unique'],
  },
  {
    name: 'an index that does not begin with the tenant',
    ddl: `${keyed} create index things_label on app.things (label)`,
    rules: ['index_lead'],
  },
  {
    name: 'a partial index that does not begin with the tenant',
    ddl: `${keyed} create index "odd (name)" on app.things (label desc) where label is not null`,
    rules: ['index_lead'],
  },
  {
    name: 'an exclusion constraint without the tenant',
    ddl: `create table app.things (${sound}, during int4range, constraint things_pkey primary key (tenant_id, id), constraint things_during exclude using gist (during with &&))`,
    rules: ['exclusion'],
    asSuperuser: true,
  },
  {
    name: 'a foreign key out of it without the tenant',
    ddl: `create table app.others (tenant_id uuid not null, id uuid not null unique, primary key (tenant_id, id)); create table app.things (${sound}, other_id uuid constraint things_other references app.others (id), constraint things_pkey primary key (tenant_id, id))`,
    rules: ['foreign_key'],
  },
  {
    name: 'a foreign key into it without the tenant',
    ddl: `create table app.things (${sound}, constraint things_pkey primary key (tenant_id, id), constraint things_id unique (id)); create table app.others (tenant_id uuid not null, thing_id uuid constraint others_thing references app.things (id))`,
    rules: ['foreign_key', 'unique'],
  },
  {
    name: 'a primary key without the tenant that others refer to',
    ddl: `create table app.things (${sound}, constraint things_pkey primary key (id)); create table app.others (tenant_id uuid not null, thing_id uuid constraint others_thing references app.things (id) on delete cascade deferrable)`,
    rules: ['foreign_key', 'primary_key'],
  },
  {
    name: 'a foreign key that sets the tenant to null',
    ddl: `create table app.others (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id)); create table app.things (${sound}, other_id uuid, constraint things_pkey primary key (tenant_id, id), constraint things_other foreign key (tenant_id, other_id) references app.others (tenant_id, id) on delete set null)`,
    rules: ['foreign_key_action'],
  },
  {
    name: 'an identity column',
    ddl: `${keyed} alter table app.things add column n bigint generated always as identity`,
    rules: ['shared_sequence'],
  },
  { name: 'a serial column', ddl: `${keyed} alter table app.things add column n bigserial`, rules: ['shared_sequence'] },
  { name: 'a rewrite rule', ddl: `${keyed} create rule quiet as on delete to app.things do instead nothing`, rules: ['rule'] },
  { name: 'a permissive policy of somebody else’s', ddl: `${keyed} create policy open on app.things using (true)`, rules: ['policy'] },
  { name: 'a child by inheritance', ddl: `${keyed} create table app.children () inherits (app.things)`, rules: ['inheritance'] },
  {
    name: 'another owner',
    ddl: keyed.replace(/;$/, '; alter table app.things owner to partywall_migrator'),
    rules: ['owner'],
    asSuperuser: true,
  },
]

describe('protect() refuses, says why, and accepts when its own SQL was run:', () => {
  for (const { name, ddl, rules, rounds = 1, asSuperuser } of cases) {
    test(name, async (t) => {
      const database = await testDatabase(t)
      if (asSuperuser === true) {
        await database.superuser.query(
          'create extension if not exists btree_gist with schema public; create extension if not exists citext with schema public',
        )
        await database.superuser.query(ddl.includes('owner to') ? ddl : `begin; set local role partywall_owner; ${ddl}; commit`)
      } else await asOwner(database, ddl)
      let findings = await refusal(database, 'app.things')
      assert.deepEqual(findings.map(({ rule }) => rule).sort(), [...rules].sort())
      await nothingIsProtected(database)
      for (let round = 0; round < rounds; round++) {
        for (const { fix } of findings) {
          assert.ok(fix, JSON.stringify(findings))
          await database.superuser.query(fix)
        }
        findings = await refusal(database, 'app.things')
      }
      assert.deepEqual(findings, [])
      await everythingIsProtected(database)
    })
  }

  test('a mended foreign key still does what it did', async (t) => {
    const database = await testDatabase(t)
    await asOwner(
      database,
      `create table app.things (${sound}, constraint things_pkey primary key (id));
       create table app.others (tenant_id uuid not null, thing_id uuid, constraint others_thing foreign key (thing_id) references app.things (id) on delete set null deferrable initially deferred)`,
    )
    for (const { fix } of await refusal(database, 'app.things')) await database.superuser.query(fix!)
    const [key] = await database.superuser.query(
      `select pg_get_constraintdef(oid) as def from pg_constraint where conname = 'others_thing'`,
    )
    const def =
      'FOREIGN KEY (tenant_id, thing_id) REFERENCES app.things(tenant_id, id) ON DELETE SET NULL (thing_id) DEFERRABLE INITIALLY DEFERRED'
    assert.deepEqual(key, { def })
  })

  async function nothingIsProtected(database: TestDatabase): Promise<void> {
    const rows = await database.superuser.query(
      `select from pg_class where oid = 'app.things'::regclass and (relrowsecurity or relforcerowsecurity)
       union all select from pg_policies where tablename = 'things' and policyname like 'partywall%'
       union all select from partywall.protected_tables`,
    )
    assert.deepEqual(rows, [])
  }

  async function everythingIsProtected(database: TestDatabase): Promise<void> {
    const [row] = await database.superuser.query<{ forced: boolean; policies: number; listed: number }>(
      `select (select relrowsecurity and relforcerowsecurity from pg_class where oid = 'app.things'::regclass) as forced,
              (select count(*)::int from pg_policies where tablename = 'things') as policies,
              (select count(*)::int from partywall.protected_tables) as listed`,
    )
    assert.deepEqual(row, { forced: true, policies: 5, listed: 1 })
  }
})

describe('protect() refuses what can carry no policy:', () => {
  const kinds: Readonly<Record<string, string>> = {
    'a view': 'create view app.things as select 1 as tenant_id',
    'a materialized view': 'create materialized view app.things as select 1 as tenant_id',
    'a sequence': 'create sequence app.things',
    'a composite type': 'create type app.things as (tenant_id uuid)',
  }
  for (const [name, ddl] of Object.entries(kinds)) {
    test(name, async (t) => {
      const database = await testDatabase(t)
      await asOwner(database, ddl)
      assert.deepEqual(
        (await refusal(database, 'app.things')).map(({ rule, fix }) => [rule, fix]),
        [['kind', null]],
      )
    })
  }

  test('a partition, which is protected through its root', async (t) => {
    const database = await testDatabase(t)
    await asOwner(
      database,
      `create table app.roots (${sound}, primary key (tenant_id, id)) partition by hash (tenant_id);
       create table app.things partition of app.roots for values with (modulus 1, remainder 0)`,
    )
    const [finding] = await refusal(database, 'app.things')
    assert.equal(finding?.rule, 'partition')
    await asOwner(database, finding.fix!.replace(/;$/, ''))
    const rows = await database.superuser.query<{ name: string; forced: boolean; app: boolean }>(
      `select relname as name, relrowsecurity and relforcerowsecurity as forced, has_table_privilege('partywall_app', oid, 'select') as app
         from pg_class where oid in ('app.roots'::regclass, 'app.things'::regclass) order by 1`,
    )
    assert.deepEqual(rows, [
      { name: 'roots', forced: true, app: true },
      { name: 'things', forced: true, app: false },
    ])
  })
})

describe('protect()', () => {
  test('is idempotent, names several faults at once, and takes another column’s name', async (t) => {
    const database = await testDatabase(t)
    await asOwner(
      database,
      `create table app."Odd Things" ("customer id" uuid not null, id uuid not null, n bigserial, label text unique, primary key ("customer id", id))`,
    )
    const findings = await refusal(database, 'app."Odd Things"', 'customer id')
    assert.deepEqual(findings.map(({ rule }) => rule).sort(), ['shared_sequence', 'unique'])
    for (const { fix } of findings) await database.superuser.query(fix!)
    for (let i = 0; i < 3; i++) assert.deepEqual(await refusal(database, 'app."Odd Things"', 'customer id'), [])
    const policies = await database.superuser.query(`select from pg_policies where tablename = 'Odd Things'`)
    assert.equal(policies.length, 5)
  })

  test('takes back what others were granted, and gives the app what it needs', async (t) => {
    const database = await testDatabase(t)
    await asOwner(database, `${keyed} grant all on app.things to public, partywall_app; select partywall.protect('app.things')`)
    const may = await database.superuser.query<{ privilege: string; app: boolean; public: boolean }>(
      `select p as privilege, has_table_privilege('partywall_app', 'app.things', p) as app, has_table_privilege('partywall_gatekeeper', 'app.things', p) as public
         from unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as p`,
    )
    const needed = new Set(['select', 'insert', 'update', 'delete'])
    assert.deepEqual(
      may,
      may.map(({ privilege }) => ({ privilege, app: needed.has(privilege), public: false })),
    )
  })

  test('is for whoever owns the table: neither the app nor the gatekeeper', async (t) => {
    const database = await testDatabase(t)
    await asOwner(database, keyed)
    for (const role of ['partywall_app', 'partywall_gatekeeper']) {
      await assert.rejects(database.superuser.query(`begin; set local role ${role}; select partywall.protect('app.things')`), {
        code: '42501',
      })
    }
  })

  test('a foreign key to a global table needs no tenant', async (t) => {
    const database = await testDatabase(t)
    await asOwner(
      database,
      `create table app.countries (code text primary key);
       create table app.things (${sound}, country text references app.countries (code), primary key (tenant_id, id))`,
    )
    assert.deepEqual(
      (await refusal(database, 'app.things')).map(({ rule }) => rule),
      ['foreign_key'],
    )
    await asOwner(database, `select partywall.declare_global('app.countries', 'The same for everybody.')`)
    assert.deepEqual(await refusal(database, 'app.things'), [])
  })
})

describe('a tenant column of an application that existed before:', () => {
  const accounts = 'create table app.accounts (id bigint not null, name text not null, owner bigint not null, primary key (id));'
  const orders = (references: string) =>
    `create table app.orders (account_id bigint not null, id bigint not null, primary key (account_id, id), constraint orders_account foreign key (account_id) references app.accounts (${references}));`

  test('the table of the accounts themselves is keyed by its id, and others refer to it', async (t) => {
    const database = await testDatabase(t)
    await asOwner(database, accounts + orders('id'))
    assert.deepEqual(await refusal(database, 'app.accounts', 'id'), [])
    assert.deepEqual(await refusal(database, 'app.orders', 'account_id'), [])
    // In the other order too: what is protected later is asked again.
    const other = await testDatabase(t)
    await asOwner(other, accounts + orders('id'))
    assert.deepEqual(await refusal(other, 'app.orders', 'account_id'), [])
    assert.deepEqual(await refusal(other, 'app.accounts', 'id'), [])
  })

  test('a reference that pairs the tenant with a column that is not the other’s tenant is refused', async (t) => {
    const database = await testDatabase(t)
    await asOwner(
      database,
      `${accounts} alter table app.accounts add constraint accounts_owner unique (id, owner), add constraint owners unique (owner); ${orders('owner')}`,
    )
    const rules = async (table: string, column: string) => (await refusal(database, table, column)).map(({ rule }) => rule)
    assert.deepEqual((await rules('app.accounts', 'id')).sort(), ['foreign_key', 'unique'])
    await asOwner(database, 'alter table app.orders drop constraint orders_account; alter table app.accounts drop constraint owners')
    await asOwner(database, `select partywall.protect('app.accounts', 'id')`)
    await asOwner(
      database,
      `alter table app.orders add column owner bigint, add constraint swapped foreign key (owner, account_id) references app.accounts (id, owner)`,
    )
    assert.deepEqual(await rules('app.orders', 'account_id'), ['foreign_key'])
  })

  test('a number that may have a fraction is refused, and no SQL would mend it: rounding makes one tenant of two', async (t) => {
    const database = await testDatabase(t)
    for (const type of ['numeric', 'double precision', 'bytea', 'jsonb', 'timestamptz', 'oid']) {
      await asOwner(database, `create table app.t (tenant_id ${type} not null, id uuid not null, primary key (tenant_id, id))`)
      const [finding] = await refusal(database, 'app.t')
      assert.deepEqual([finding?.rule, finding?.fix], ['tenant_type', null], type)
      await asOwner(database, 'drop table app.t')
    }
  })
})

describe('declare_global()', () => {
  test('lets the app read and not write, and wants a reason', async (t) => {
    const database = await testDatabase(t)
    await asOwner(database, `create table app.countries (code text primary key); grant all on app.countries to partywall_app, public`)
    await assert.rejects(asOwner(database, `select partywall.declare_global('app.countries', '  short   ')`), { code: '23514' })
    for (let i = 0; i < 2; i++) await asOwner(database, `select partywall.declare_global('app.countries', 'The same for everybody.')`)
    const [may] = await database.superuser.query(
      `select has_table_privilege('partywall_app', 'app.countries', 'select') as read,
              has_table_privilege('partywall_app', 'app.countries', 'insert, update, delete, truncate, references, trigger') as write`,
    )
    assert.deepEqual(may, { read: true, write: false })
  })

  test('refuses a table that is protected, and a protected table stays so', async (t) => {
    const database = await testDatabase(t)
    await asOwner(database, `${keyed} select partywall.protect('app.things')`)
    await assert.rejects(asOwner(database, `select partywall.declare_global('app.things', 'The same for everybody.')`), { code: 'PW010' })
  })
})
