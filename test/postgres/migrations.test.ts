// The application's migrations: once, in order, whole or not at all.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { applyMigrations } from '../../src/postgres/migrations.ts'
import { testDatabase } from '../support/database.ts'

async function migrations(t: TestContext) {
  const database = await testDatabase(t)
  const path = await mkdtemp(join(tmpdir(), 'partywall-migrations-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  const apply = () => applyMigrations({ admin: database.urls.migrator, directory: pathToFileURL(`${path}/`) })
  return { database, apply, write: (file: string, text: string) => writeFile(join(path, file), text) }
}

test('each file is applied once, in the order of the numbers, and what it makes belongs to the owner', async (t) => {
  const { database, apply, write } = await migrations(t)
  await write('0002-second.sql', 'alter table app.a add column n integer')
  await write('0001-first.sql', 'create table app.a (id integer)')
  assert.deepEqual(await apply(), ['0001-first.sql', '0002-second.sql'])
  await write('0003-third.sql', 'alter table app.a add column m integer')
  assert.deepEqual(await apply(), ['0003-third.sql'])
  assert.deepEqual(await apply(), [])
  const owner = await database.superuser.query(`select tableowner as owner from pg_catalog.pg_tables where tablename = 'a'`)
  assert.deepEqual(owner, [{ owner: 'partywall_owner' }])
})

test('two runs at the same time take turns: no file is applied twice', async (t) => {
  const { apply, write } = await migrations(t)
  await write('0001-first.sql', 'create table app.a (id integer)')
  const applied = await Promise.all([apply(), apply(), apply()])
  assert.deepEqual(applied.flat(), ['0001-first.sql'])
})

test('a file that fails leaves nothing behind, and is tried again', async (t) => {
  const { database, apply, write } = await migrations(t)
  await write('0001-first.sql', 'create table app.a (id integer); select 1 / 0;')
  await assert.rejects(apply(), { code: '22012' })
  assert.deepEqual(await database.superuser.query(`select to_regclass('app.a') as there`), [{ there: null }])
  await write('0001-first.sql', 'create table app.a (id integer)')
  assert.deepEqual(await apply(), ['0001-first.sql'])
})

test('a file that was applied must not change; a misnamed one is refused', async (t) => {
  const { apply, write } = await migrations(t)
  await write('0001-first.sql', 'create table app.a (id integer)')
  await apply()
  await write('0001-first.sql', 'create table app.b (id integer)')
  await assert.rejects(apply(), { code: 'PW_CONFIGURATION' })
  await write('first.sql', 'select 1')
  await assert.rejects(apply(), /first\.sql is not the name/)
})
