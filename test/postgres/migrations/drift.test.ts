// Drift: changed by hand → found → mended by the SQL that the finding carries, word for word → nothing found.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DriftFinding, findDrift } from '../../../src/postgres/migrations/drift.ts'
import { referenceShape } from '../../../src/postgres/migrations/shape.ts'
import { type MigrationStage, migrationStage, tableSql } from '../../support/migrations.ts'

const files = {
  '0001-first.sql': `${tableSql('people', ', email text not null')}
    ${tableSql('notes', `, title text not null default 'untitled', size integer, author_id uuid`).replace(
      /\nselect/,
      `\nalter table notes add constraint notes_size_check check (size > 0), add constraint notes_author_fkey foreign key (tenant_id, author_id) references people;\nselect`,
    )}
    create index notes_title_idx on notes (tenant_id, title);
    create view titles with (security_invoker = true) as select title from notes;
    create function touch() returns trigger language plpgsql as 'begin return new; end';
    create trigger notes_touch before update on notes for each row execute function touch();
    create type mood as enum ('good', 'bad');
    create table countries (code text primary key); select partywall.declare_global('countries', 'The same for everybody.');`,
}

const own = ['t_bob', 't_carol']

async function driftStage(t: Parameters<typeof migrationStage>[0]) {
  const stage = await migrationStage(t)
  await stage.schemas(...own)
  for (const [file, text] of Object.entries(files)) await stage.write(file, text)
  for (const schema of ['app', ...own]) await stage.apply(schema)
  const expected = await referenceShape(stage.pool, await stage.read())
  const drift = async (): Promise<Readonly<Record<string, readonly DriftFinding[]>>> => {
    const found: Record<string, readonly DriftFinding[]> = {}
    for await (const { schema, findings } of findDrift(stage.pool, ['app', ...own], expected, { batchSize: 2 })) found[schema] = findings
    return found
  }
  return { stage, expected, drift }
}

async function asOwner({ database }: MigrationStage, text: string): Promise<void> {
  await database.superuser.query(`begin; set local role partywall_owner; ${text}; commit`)
}

const clean = { app: [], t_bob: [], t_carol: [] }

test('the shared schema and tenants’ own are the same but for the name, and the reference leaves nothing behind', async (t) => {
  const { stage, expected, drift } = await driftStage(t)
  assert.deepEqual(await drift(), clean)
  assert.ok(expected.size > 40)
  const left = await stage.database.superuser.query(
    `select (select count(*)::int from pg_catalog.pg_namespace where nspname = 'partywall_reference') as schemas,
            (select count(*)::int from partywall.ledger where schema_name = 'partywall_reference') as rows,
            (select count(*)::int from partywall.protected_tables where table_name like 'partywall\\_reference%') as protected`,
  )
  assert.deepEqual(left, [{ schemas: 0, rows: 0, protected: 0 }])
})

const changes: readonly (readonly [string, string, string])[] = [
  ['a dropped column', 'alter table t_bob.notes drop column size', 'missing column notes.size'],
  ['another type', 'alter table t_bob.notes alter column size type bigint', 'different column notes.size'],
  ['another default', `alter table t_bob.notes alter column title set default ''`, 'different column notes.title'],
  ['a column that may be null now', 'alter table t_bob.people alter column email drop not null', 'different column people.email'],
  ['a dropped constraint', 'alter table t_bob.notes drop constraint notes_author_fkey', 'missing constraint notes.notes_author_fkey'],
  [
    'a constraint of another rule',
    'alter table t_bob.notes drop constraint notes_size_check, add constraint notes_size_check check (size > 1)',
    'different constraint notes.notes_size_check',
  ],
  ['an added constraint', `alter table t_bob.notes add constraint more check (title <> '')`, 'unexpected constraint notes.more'],
  ['a dropped index', 'drop index t_bob.notes_title_idx', 'missing index notes_title_idx'],
  ['an added index', 'create index more on t_bob.notes (tenant_id, size)', 'unexpected index more'],
  ['a dropped policy', 'drop policy partywall_wall_update on t_bob.notes', 'missing policy notes.partywall_wall_update'],
  ['a policy that opens', 'alter policy partywall_tenant on t_bob.notes using (true)', 'different policy notes.partywall_tenant'],
  ['an added policy', 'create policy more on t_bob.notes using (true)', 'unexpected policy notes.more'],
  ['row security that is not forced', 'alter table t_bob.notes no force row level security', 'different row security notes'],
  ['a dropped trigger', 'drop trigger notes_touch on t_bob.notes', 'missing trigger notes.notes_touch'],
  ['a disabled trigger', 'alter table t_bob.notes disable trigger notes_touch', 'different trigger notes.notes_touch'],
  [
    'another body',
    `create or replace function t_bob.touch() returns trigger language plpgsql as 'begin return old; end'`,
    'different function touch()',
  ],
  ['a view with its owner’s rights', 'alter view t_bob.titles reset (security_invoker)', 'different view titles'],
  ['an added grant', 'grant truncate on t_bob.notes to partywall_app', 'different grant notes to partywall_app'],
  ['a grant to all the world', 'grant select on t_bob.people to public', 'unexpected grant people to public'],
  ['a grant that is gone', 'revoke all on t_bob.people from partywall_app', 'missing grant people to partywall_app'],
  ['leave to create', 'grant create on schema t_bob to partywall_app', 'unexpected schema grant create to partywall_app'],
]
test('each change by hand is found in that schema alone, and its SQL mends it', async (t) => {
  const { stage, drift } = await driftStage(t)
  for (const [name, change, found] of changes) {
    await asOwner(stage, change)
    const drifted = await drift()
    const told = drifted['t_bob']!.map(({ problem, kind, name: object }) => `${problem} ${kind} ${object}`)
    assert.ok(told.includes(found), `${name}: ${told.join('; ') || 'nothing'}`)
    assert.deepEqual({ ...drifted, t_bob: [] }, clean, name)
    // What protect() makes anew may stand there more than once.
    for (const fix of new Set(drifted['t_bob']!.map((finding) => finding.fix))) {
      assert.ok(fix !== null, `${name} has no SQL`)
      await asOwner(stage, fix)
    }
    assert.deepEqual(await drift(), clean, name)
  }
})

test('what would cost rows is told without SQL', async (t) => {
  const { stage, drift } = await driftStage(t)
  await asOwner(stage, 'alter table t_bob.notes add column more text; create table t_carol.extra (id uuid); drop table t_carol.countries')
  const { t_bob: bob = [], t_carol: carol = [] } = await drift()
  assert.deepEqual(
    [...bob, ...carol].map(({ problem, kind, name, fix }) => [problem, kind, name, fix]),
    [
      ['unexpected', 'column', 'notes.more', null],
      ['missing', 'table', 'countries', null],
      ['missing', 'grant', 'countries to partywall_app', 'grant select on t_carol.countries to partywall_app;'],
      ['missing', 'grant', 'countries to partywall_tenants', 'grant select on t_carol.countries to partywall_tenants;'],
      ['unexpected', 'table', 'extra', null],
    ],
  )
})

test('in a tenant’s own schema a table without the tenant’s check, or with another’s, is found', async (t) => {
  const stage = await migrationStage(t)
  const schema = `t_${'0'.repeat(24)}`
  const tenant = '00000000-0000-7000-8000-000000000001'
  await stage.schemas(schema)
  await stage.pool.query('select partywall.set_gate($1, $2)', [tenant, 'open'])
  await stage.pool.query('select partywall.set_gate_schema($1, $2)', [tenant, schema])
  await stage.write('0001-first.sql', tableSql('notes'))
  await stage.apply(schema)
  const expected = await referenceShape(stage.pool, await stage.read())
  const drift = async () => (await Array.fromAsync(findDrift(stage.pool, [schema], expected)))[0]!.findings
  assert.deepEqual(await drift(), [])
  const drop = `alter table ${schema}.notes drop constraint partywall_tenant_check`
  const other = `${drop}, add constraint partywall_tenant_check check (tenant_id = '00000000-0000-7000-8000-000000000002')`
  for (const [change, found] of [
    [other, 'of another tenant'],
    [drop, 'missing'],
  ] as const) {
    await asOwner(stage, change)
    const [finding] = await drift()
    assert.deepEqual([finding?.kind, finding?.found], ['tenant check', found])
    await asOwner(stage, finding!.fix!)
    assert.deepEqual(await drift(), [])
  }
})
