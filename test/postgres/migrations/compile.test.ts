// Compiled migrations: what applyMigrations() does, as one text for many schemas.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyMigrations } from '../../../src/postgres/migrations/apply-migrations.ts'
import { compileMigrations } from '../../../src/postgres/migrations/compile.ts'
import { alteredMigrations, schemaVersions } from '../../../src/postgres/migrations/ledger.ts'
import { migrationStage, tableSql } from '../../support/migrations.ts'

const schemas = ['t_a', 't_b', 't_c'] as const

test('one query migrates many schemas, and the ledger cannot tell it from one at a time', async (t) => {
  const stage = await migrationStage(t)
  await stage.schemas(...schemas)
  await stage.write('0001-first.sql', `${tableSql('a')}-- the end, in a comment`)
  await stage.write('0002-second.sql', 'alter table a add column n integer')
  const set = await stage.read()
  await applyMigrations(stage.pool, 't_a', set)
  const compiled = compileMigrations(set, null)
  assert.ok(compiled !== undefined)
  assert.deepEqual([compiled.versions, compiled.from, compiled.to], [['0001', '0002'], null, '0002'])
  await stage.pool.query(['t_b', 't_c'].map((schema) => compiled.text(schema)).join(''))
  const ledger = await stage.database.superuser.query<{ same: number }>(
    'select count(*)::int as same from partywall.ledger group by version, file, sha256, applied_by order by version',
  )
  assert.deepEqual(ledger, [{ same: 3 }, { same: 3 }])
  assert.deepEqual(
    await schemaVersions(stage.pool),
    schemas.map((schema) => ({ schema, version: '0002', count: 2 })),
  )
  assert.deepEqual(await stage.apply('t_b'), [])
})

test('a schema that is not where the text begins is refused, and keeps what it has', async (t) => {
  const stage = await migrationStage(t)
  await stage.schemas(...schemas)
  await stage.write('0001-first.sql', tableSql('a'))
  await stage.write('0002-second.sql', 'alter table a add column n integer')
  const set = await stage.read()
  const second = compileMigrations(set, '0001')!
  await assert.rejects(stage.pool.query(second.text('t_a')), { code: 'PW012' })
  await applyMigrations(stage.pool, 't_a', set)
  await assert.rejects(stage.pool.query(second.text('t_a')), { code: 'PW012' })
  assert.deepEqual(await schemaVersions(stage.pool), [{ schema: 't_a', version: '0002', count: 2 }])
})

test('the first that fails ends the query; those before it are done, and nothing of it or after it is', async (t) => {
  const stage = await migrationStage(t)
  await stage.schemas(...schemas)
  await stage.write('0001-first.sql', tableSql('a'))
  const compiled = compileMigrations(await stage.read(), null)!
  await stage.pool.query('create table t_b.a (id integer)')
  await assert.rejects(stage.pool.query(schemas.map((schema) => compiled.text(schema)).join('')), { code: '42P07' })
  assert.deepEqual(await schemaVersions(stage.pool), [{ schema: 't_a', version: '0001', count: 1 }])
})

test('a compiled migration refuses an unprotected table as well', async (t) => {
  const stage = await migrationStage(t)
  await stage.schemas('t_a')
  await stage.write('0001-first.sql', 'create table a (id uuid primary key)')
  await assert.rejects(stage.pool.query(compileMigrations(await stage.read(), null)!.text('t_a')), { code: 'PW010' })
  assert.deepEqual(await schemaVersions(stage.pool), [])
})

test('a step in TypeScript, a file without a transaction and nothing to do are not compiled', async (t) => {
  const stage = await migrationStage(t)
  await stage.write('0001-first.sql', tableSql('a', ', n integer'))
  await stage.write('0002-index.sql', '-- partywall: no-transaction\ncreate index concurrently a_n_idx on a (tenant_id, n)')
  await stage.write('0003-step.ts', 'export async function up() {}')
  const set = await stage.read()
  assert.equal(compileMigrations(set, '0001', '0002'), undefined)
  assert.equal(compileMigrations(set, '0002', '0003'), undefined)
  assert.equal(compileMigrations(set, '0003'), undefined)
  assert.notEqual(compileMigrations(set, null, '0001'), undefined)
})

test('a schema with a migration that was changed since is found in one query over all schemas', async (t) => {
  const stage = await migrationStage(t)
  await stage.schemas(...schemas)
  await stage.write('0001-first.sql', tableSql('a'))
  for (const schema of schemas) await stage.apply(schema)
  assert.deepEqual(await alteredMigrations(stage.pool, await stage.read()), [])
  await stage.write('0001-first.sql', tableSql('b'))
  assert.deepEqual(
    (await alteredMigrations(stage.pool, await stage.read())).map(({ schema, version }) => [schema, version]),
    schemas.map((schema) => [schema, '0001']),
  )
})
