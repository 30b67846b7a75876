import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Tenant } from '../../src/core/tenant.ts'
import { AbortedError } from '../../src/errors.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { DirectoryTenantExporter } from '../../src/postgres/tenant-export.ts'
import { rowsPerTenant, stage } from '../support/cast.ts'

async function exported(t: TestContext) {
  const cast = await stage(t)
  const migrator = new ControlPool({ connectionString: cast.database.urls.migrator, applicationName: 'test-export' })
  t.after(() => migrator.close())
  const directory = await mkdtemp(join(tmpdir(), 'partywall-export-'))
  t.after(() => rm(directory, { recursive: true }))
  const exporter = new DirectoryTenantExporter({ asMigrator: async (_database, fn) => await fn(migrator) })
  return { ...cast, migrator, directory, exporter, read: async (file: string) => await readFile(join(directory, file), 'utf8') }
}

const lines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { tenant_id: string; title: string })

test('an export has all of one tenant’s rows and none of another’s, also when its gate is closed', async (t) => {
  const { exporter, directory, read, bob, dave, carol, alice } = await exported(t)
  for (const tenant of [bob, dave]) {
    const { tables, manifest, sha256 } = await exporter.export(tenant, { to: directory })
    assert.deepEqual(
      tables.map(({ table, rows }) => `${table} ${rows}`),
      ['folders 1', `notes ${rowsPerTenant}`],
    )
    const notes = lines(await read('notes.jsonl'))
    assert.equal(notes.length, rowsPerTenant)
    const owned = await alice<{ title: string }>('select title from app.notes where tenant_id = $1 order by title', [tenant.id])
    assert.deepEqual(
      notes.map(({ title }) => title).sort(),
      owned.map(({ title }) => title),
    )
    assert.doesNotMatch(await read('notes.jsonl'), new RegExp(carol.id))
    for (const { file, sha256: hash, bytes } of tables) {
      const text = await read(file)
      assert.equal(createHash('sha256').update(text).digest('hex'), hash)
      assert.equal(Buffer.byteLength(text), bytes)
    }
    assert.equal(
      createHash('sha256')
        .update(await readFile(manifest, 'utf8'))
        .digest('hex'),
      sha256,
    )
  }
  assert.equal((await stat(join(directory, 'notes.jsonl'))).mode & 0o777, 0o600)
})

test('the capability that lets it read is never there for anybody else, and is gone afterwards', async (t) => {
  const { exporter, directory, alice, bob, database } = await exported(t)
  const count = async () =>
    (await alice<{ count: string }>('select count(*) as count from partywall.capabilities where tenant_id = $1', [bob.id]))[0]?.count
  const gatekeeper = new ControlPool({ connectionString: database.urls.gatekeeper, applicationName: 'test-export' })
  t.after(() => gatekeeper.close())
  const before = await count()
  const seen: (string | undefined)[] = []
  await exporter.export(bob, { to: directory, onProgress: () => void count().then((now) => seen.push(now)) })
  assert.equal(await count(), before)
  assert.ok(seen.every((now) => now === before))
})

test('a tenant without rows has empty files; one without a gate is refused', async (t) => {
  const { exporter, directory, tenancy, read } = await exported(t)
  const nobody = await tenancy.tenants.create({ slug: 'nobody-yet', name: 'Nobody' })
  const { tables } = await exporter.export(nobody, { to: directory })
  assert.deepEqual(
    tables.map(({ rows }) => rows),
    [0, 0],
  )
  assert.equal(await read('notes.jsonl'), '')
  const unknown = { ...nobody, id: '00000000-0000-7000-8000-00000000dead' as Tenant['id'] }
  await assert.rejects(exporter.export(unknown, { to: directory }), { code: 'PW_CAPABILITY_REFUSED' })
})

test('an export that is cancelled leaves no file that looks complete', async (t) => {
  const { exporter, directory, bob } = await exported(t)
  await assert.rejects(exporter.export(bob, { to: directory, signal: AbortSignal.abort() }), AbortedError)
  assert.deepEqual(
    (await readdir(directory)).filter((name) => !name.endsWith('.part')),
    [],
  )
})
