// The application's migrations: once, in order, whole or not at all, in any schema.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { TableRefusedError } from '../../../src/errors.ts'
import { type MigrationStage, migrationStage, tableSql } from '../../support/migrations.ts'

const files = (applied: readonly { readonly file: string }[]): string[] => applied.map(({ file }) => file)

async function columnsOf({ database }: MigrationStage, table: string): Promise<readonly string[]> {
  const rows = await database.superuser.query<{ name: string }>(
    `select attname::text as name from pg_catalog.pg_attribute where attrelid = to_regclass($1) and attnum > 0 order by attnum`,
    [table],
  )
  return rows.map(({ name }) => name)
}

/** Holds a lock on a table until it is told to end. */
async function locker(stage: MigrationStage, table: string): Promise<{ end(): Promise<void> }> {
  const client = new pg.Client({ connectionString: stage.database.urls.superuser })
  await client.connect()
  await client.query(`begin; lock table ${table} in access share mode`)
  return { end: () => client.end() }
}

test('each file is applied once, in the order of the numbers, and what it makes belongs to the owner', async (t) => {
  const stage = await migrationStage(t)
  await stage.write('0002-second.sql', 'alter table a add column n integer')
  await stage.write('0001-first.sql', tableSql('a'))
  assert.deepEqual(files(await stage.apply()), ['0001-first.sql', '0002-second.sql'])
  await stage.write('0003-third.sql', 'alter table a add column m integer')
  assert.deepEqual(files(await stage.apply()), ['0003-third.sql'])
  assert.deepEqual(await stage.apply(), [])
  const owner = await stage.database.superuser.query(`select tableowner as owner from pg_catalog.pg_tables where tablename = 'a'`)
  assert.deepEqual(owner, [{ owner: 'partywall_owner' }])
})

test('one set serves every schema: what one has is not there in another', async (t) => {
  const stage = await migrationStage(t)
  await stage.schemas('t_bob', 't_carol')
  await stage.write('0001-first.sql', tableSql('a'))
  await stage.write('0002-second.sql', 'alter table a add column n integer')
  await stage.apply('t_bob')
  await stage.apply('t_carol', { to: '0001' })
  assert.deepEqual(await columnsOf(stage, 't_bob.a'), ['tenant_id', 'id', 'n'])
  assert.deepEqual(await columnsOf(stage, 't_carol.a'), ['tenant_id', 'id'])
  assert.deepEqual(await columnsOf(stage, 'app.a'), [])
  const ledger = await stage.database.superuser.query('select schema_name, version, applied_by from partywall.ledger order by 1, 2')
  assert.deepEqual(ledger, [
    { schema_name: 't_bob', version: '0001', applied_by: 'partywall' },
    { schema_name: 't_bob', version: '0002', applied_by: 'partywall' },
    { schema_name: 't_carol', version: '0001', applied_by: 'partywall' },
  ])
})

test('a name that is not in the schema is not found in another: search_path is the schema alone', async (t) => {
  const stage = await migrationStage(t)
  await stage.schemas('t_bob')
  await stage.pool.query('create table app.shared (id integer)')
  await stage.write('0001-first.sql', 'alter table shared add column n integer')
  await assert.rejects(stage.apply('t_bob'), { code: 'PW_MIGRATION', message: /relation "shared" does not exist/ })
})

test('runners at the same time take turns: no file is applied twice, and none is left out', async (t) => {
  const stage = await migrationStage(t)
  for (let n = 1; n <= 5; n += 1) await stage.write(`000${n}-more.sql`, tableSql(`a${n}`))
  const applied = await Promise.all([stage.apply(), stage.apply(), stage.apply()])
  assert.deepEqual(files(applied.flat()).sort(), ['0001-more.sql', '0002-more.sql', '0003-more.sql', '0004-more.sql', '0005-more.sql'])
})

test('a file that fails leaves nothing behind, says where, and is tried again', async (t) => {
  const stage = await migrationStage(t)
  await stage.write('0001-first.sql', `${tableSql('a')}\n-- é: a character of two bytes\nselect 1,\n  2 / 0;`)
  await assert.rejects(stage.apply(), (error: Error & { details: Record<string, unknown> }) => {
    assert.match(error.message, /^0001-first\.sql:5 in app failed: division by zero/)
    assert.deepEqual(error.details, { version: '0001', file: '0001-first.sql', schema: 'app', line: 5, sqlState: '22012' })
    return true
  })
  await stage.write('0001-first.sql', `${tableSql('a')}\n\nselect 1,\n  nothing.such;`)
  await assert.rejects(stage.apply(), /0001-first\.sql:6 in app failed: missing FROM-clause/)
  assert.deepEqual(await columnsOf(stage, 'app.a'), [])
  await stage.write('0001-first.sql', tableSql('a'))
  assert.deepEqual(files(await stage.apply()), ['0001-first.sql'])
})

test('a file that was applied must not change, go, or be preceded by a new one', async (t) => {
  const stage = await migrationStage(t)
  await stage.write('0002-second.sql', 'select 1;\n')
  await stage.apply()
  await stage.write('0002-second.sql', 'select 1;\r\n')
  assert.deepEqual(await stage.apply(), [], 'line ends do not count')
  await stage.write('0002-second.sql', 'select 2')
  await assert.rejects(stage.apply(), { code: 'PW_MIGRATION', message: /0002-second\.sql was applied to app with another content/ })
  await stage.remove('0002-second.sql')
  await assert.rejects(stage.apply(), { code: 'PW_MIGRATION', message: /is not here/ })
  await stage.write('0002-second.sql', 'select 1;\n')
  await stage.write('0001-late.sql', 'select 1')
  await assert.rejects(stage.apply(), { code: 'PW_MIGRATION', message: /0001-late\.sql comes before 0002-second\.sql/ })
})

test('a table that is neither protected nor declared global fails the migration; either of them passes', async (t) => {
  const stage = await migrationStage(t)
  const table = 'create table a (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id));'
  await stage.write('0001-first.sql', table)
  await assert.rejects(stage.apply(), (error) => {
    assert.ok(error instanceof TableRefusedError)
    assert.match(
      error.message,
      /0001-first\.sql in app: app\.a is neither behind the wall nor declared global[\s\S]*select partywall\.protect\('app\.a'\)/,
    )
    return true
  })
  assert.deepEqual(await columnsOf(stage, 'app.a'), [])
  await stage.write('0001-first.sql', `${table} select partywall.declare_global('a', 'The same for everybody.')`)
  await stage.apply()
  await stage.write('0002-second.sql', `${table.replace('table a', 'table b')} select partywall.protect('b')`)
  await stage.apply()
  await stage.write('0003-third.sql', 'alter table b no force row level security')
  await assert.rejects(stage.apply(), { code: 'PW_TABLE_REFUSED', message: /app\.b is neither/ })
})

test('what protect() refuses comes out with its findings and the line', async (t) => {
  const stage = await migrationStage(t)
  await stage.write('0001-first.sql', `create table a (id uuid primary key);\nselect partywall.protect('a')`)
  await assert.rejects(stage.apply(), (error) => {
    assert.ok(error instanceof TableRefusedError)
    assert.equal(error.details['line'], 2)
    assert.equal((error.details['findings'] as { rule: string }[])[0]?.rule, 'tenant_column')
    return true
  })
})

const unsound: readonly (readonly [string, string, string])[] = [
  ['a unique key without the tenant', 'create unique index on a (label)', 'create unique index on a (tenant_id, label)'],
  ['an index without the tenant', 'create index on a (label)', 'create index on a (tenant_id, label)'],
  [
    'a reference without the tenant',
    'alter table a add foreign key (peer) references b (peer) not valid',
    'alter table a add foreign key (tenant_id, peer) references b not valid',
  ],
  ['a sequence that all share', 'alter table a add column n integer generated always as identity', 'alter table a add column n integer'],
]
for (const [name, bad, good] of unsound) {
  test(`a protected table that gets ${name} fails the migration; with the tenant it passes`, async (t) => {
    const stage = await migrationStage(t)
    await stage.write('0001-first.sql', tableSql('a', ', label text, peer uuid') + tableSql('b', ', peer uuid'))
    await stage.apply()
    // A key that a reference could name, as somebody with more rights than ours could have made it.
    if (name.startsWith('a reference')) await stage.database.superuser.query('alter table app.b add unique (peer)')
    await stage.write('0002-second.sql', bad)
    await assert.rejects(stage.apply(), { code: 'PW_TABLE_REFUSED' })
    await stage.database.superuser.query('alter table app.b drop constraint if exists b_peer_key')
    await stage.write('0002-second.sql', good)
    assert.deepEqual(files(await stage.apply()), ['0002-second.sql'])
  })
}

test('a lock that is not to be had is given up soon, and had again when it is free', async (t) => {
  const stage = await migrationStage(t)
  await stage.write('0001-first.sql', tableSql('a'))
  await stage.apply()
  await stage.write('0002-second.sql', '-- partywall: lock-timeout 20ms\nalter table a add column n integer')
  const held = await locker(stage, 'app.a')
  const retry = { pauseMs: 1, pauseMsMax: 1 }
  await assert.rejects(stage.apply('app', { retry: { ...retry, attemptsMax: 2 } }), {
    code: 'PW_MIGRATION',
    retryable: true,
    message: /0002-second\.sql:2 in app collided/,
  })
  const applying = stage.apply('app', { retry: { ...retry, attemptsMax: 1_000 } })
  await held.end()
  assert.deepEqual(files(await applying), ['0002-second.sql'])
})

test('a migration that was cancelled keeps what is applied, and goes on when it is run again', async (t) => {
  const stage = await migrationStage(t)
  await stage.write('0001-first.sql', tableSql('a'))
  await stage.write('0002-second.sql', 'alter table a add column n integer')
  const control = new AbortController()
  const applying = stage.apply('app', { signal: control.signal, onApplied: () => control.abort() })
  await assert.rejects(applying, { code: 'PW_ABORTED' })
  assert.deepEqual(await columnsOf(stage, 'app.a'), ['tenant_id', 'id'])
  assert.deepEqual(files(await stage.apply()), ['0002-second.sql'])
})

test('a step in TypeScript runs in the transaction, with the schema found; its failure takes all back', async (t) => {
  const stage = await migrationStage(t)
  await stage.schemas('t_bob')
  await stage.write('0001-first.sql', tableSql('a', ', label text'))
  await stage.write(
    '0002-fill.ts',
    `export async function up(step) {
       await step.query('alter table a add column schema text')
       await step.query('comment on table a is ' + "'filled'")
       if (step.schema !== 't_bob') throw new Error('not here')
     }`,
  )
  assert.deepEqual(files(await stage.apply('t_bob')), ['0001-first.sql', '0002-fill.ts'])
  assert.deepEqual(await columnsOf(stage, 't_bob.a'), ['tenant_id', 'id', 'label', 'schema'])
  await assert.rejects(stage.apply('app'), { code: 'PW_MIGRATION', message: '0002-fill.ts in app failed: not here' })
  assert.deepEqual(await columnsOf(stage, 'app.a'), ['tenant_id', 'id', 'label'])
})

test('a step in TypeScript cannot end the transaction, nor lack its function', async (t) => {
  const stage = await migrationStage(t)
  await stage.write('0001-bad.ts', `export async function up(step) { await step.query('COMMIT') }`)
  await assert.rejects(stage.apply(), { code: 'PW_MIGRATION', message: /0001-bad\.ts controls its transaction/ })
  await stage.remove('0001-bad.ts')
  await stage.write('0001-worse.ts', 'export const down = 1')
  await assert.rejects(stage.apply(), /does not export up\(step\)/)
})

test('an index is built outside a transaction; remains of an attempt are dropped, a finished one is only recorded', async (t) => {
  const stage = await migrationStage(t)
  await stage.write('0001-first.sql', tableSql('a', ', label text'))
  await stage.write('0002-index.sql', '-- partywall: no-transaction\ncreate unique index concurrently a_label_idx on a (tenant_id, label)')
  await stage.apply('app', { to: '0001' })
  const rows = `insert into app.a (tenant_id, id, label) select '00000000-0000-7000-8000-000000000001', partywall.uuidv7(), 'twice' from generate_series(1, 2)`
  await stage.database.superuser.query(rows)
  await assert.rejects(stage.apply(), { code: 'PW_MIGRATION', message: /0002-index\.sql:2 in app failed: could not create unique index/ })
  const indexes = `select i.indisvalid as valid from pg_catalog.pg_index i where i.indexrelid = 'app.a_label_idx'::regclass`
  assert.deepEqual(await stage.database.superuser.query(indexes), [{ valid: false }])
  await stage.database.superuser.query('delete from app.a')
  assert.deepEqual(files(await stage.apply()), ['0002-index.sql'])
  assert.deepEqual(await stage.database.superuser.query(indexes), [{ valid: true }])
  // As if the process had died before the ledger was written.
  await stage.database.superuser.query(`delete from partywall.ledger where version = '0002'`)
  assert.deepEqual(files(await stage.apply()), ['0002-index.sql'])
})

test('an index of the same name and another shape is not taken for the one that is wanted', async (t) => {
  const stage = await migrationStage(t)
  await stage.write('0001-first.sql', `${tableSql('a', ', label text')}create index a_label_idx on a (tenant_id, id, label)`)
  await stage.write('0002-index.sql', '-- partywall: no-transaction\ncreate index concurrently a_label_idx on a (tenant_id, label)')
  await assert.rejects(stage.apply(), { code: 'PW_MIGRATION', message: /another index named a_label_idx/ })
})

test('what runs outside a transaction leaves no setting and no lock in its connection', async (t) => {
  const stage = await migrationStage(t)
  await stage.write('0001-first.sql', tableSql('a'))
  await stage.write('0002-vacuum.sql', '-- partywall: no-transaction\nvacuum a')
  await stage.apply()
  const [left] = await stage.database.superuser.query(
    `select count(*)::int as locks from pg_catalog.pg_locks as l join pg_catalog.pg_database as d on d.oid = l.database
      where l.locktype = 'advisory' and d.datname = current_database()`,
  )
  assert.deepEqual(left, { locks: 0 })
  const paths = await Promise.all(
    [1, 2, 3, 4].map(() => stage.pool.query<{ path: string }>('select current_setting($1) as path', ['search_path'])),
  )
  assert.ok(paths.flat().every(({ path }) => path !== 'app, pg_temp'))
})

test('rows of all tenants are changed, and references checked, by saying so; otherwise the wall holds for the owner too', async (t) => {
  const stage = await migrationStage(t)
  await stage.write('0001-first.sql', tableSql('a', ', n integer') + tableSql('b', ', a_id uuid'))
  await stage.apply()
  const tenants = ['00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002']
  for (const tenant of tenants) await stage.database.superuser.query('insert into app.a (tenant_id, id) values ($1, $1)', [tenant])
  const key = 'alter table b add foreign key (tenant_id, a_id) references a'
  for (const refused of ['update a set n = 1', key]) {
    await stage.write('0002-second.sql', refused)
    await assert.rejects(stage.apply(), { code: 'PW_MIGRATION', message: /no tenant is bound/ })
  }
  await stage.write(
    '0002-second.sql',
    `select partywall.across_tenants('update a set n = 1', 'a');
     select partywall.across_tenants('${key}', 'a', 'b');`,
  )
  await stage.apply()
  assert.deepEqual(await stage.database.superuser.query('select count(*)::int as rows from app.a where n = 1'), [{ rows: 2 }])
  const walls = await stage.database.superuser.query(
    `select relname::text as name, relforcerowsecurity as forced from pg_catalog.pg_class where relnamespace = 'app'::regnamespace and relkind = 'r' order by 1`,
  )
  assert.deepEqual(walls, [
    { name: 'a', forced: true },
    { name: 'b', forced: true },
  ])
})

test('the app can neither read the ledger nor go around the wall as a migration does', async (t) => {
  const stage = await migrationStage(t)
  await stage.write('0001-first.sql', tableSql('a'))
  await stage.apply()
  const app = new pg.Client({ connectionString: stage.database.urls.app })
  await app.connect()
  t.after(() => app.end())
  await assert.rejects(app.query('select * from partywall.ledger'), { code: '42501' })
  await assert.rejects(app.query(`select partywall.across_tenants('select 1', 'app.a')`), { code: '42501' })
  await assert.rejects(app.query(`select partywall.end_migration('app', '0009', 'f', repeat('0', 64), 'eve')`), { code: '42501' })
  const gatekeeper = new pg.Client({ connectionString: stage.database.urls.gatekeeper })
  await gatekeeper.connect()
  t.after(() => gatekeeper.end())
  assert.equal((await gatekeeper.query('select version from partywall.ledger')).rowCount, 1)
})
