// One tenant as it was at a moment between two backups: a base backup of the server and the archive of its log are recovered to that
// moment on a throw-away server, from which this tenant alone is read and restored beside the live one.

import assert from 'node:assert/strict'
import { chmod, chown, lstat, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { memorySecrets } from '../../src/core/memory-secret-store.ts'
import { ConfigurationError, TenancyError } from '../../src/errors.ts'
import { type Fleet, openFleet } from '../../src/fleet.ts'
import { memoryStore } from '../../src/objects/memory-store.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../src/postgres/embedded.ts'
import { installPartywall } from '../../src/postgres/install.ts'
import { secureServer } from '../../src/postgres/placements/secure-server.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import { takeBaseBackup } from '../support/base-backup.ts'
import { frugalSettings } from '../support/fleet-server.ts'
import { passwords, urlFor } from '../support/template.ts'

const migration = `
create table notes (
  tenant_id uuid not null default partywall.tenant_id(),
  id uuid not null default gen_random_uuid(),
  body text not null,
  primary key (tenant_id, id)
);
select partywall.protect('notes');
`
const binDirectory = process.env['PARTYWALL_TEST_POSTGRES_BIN']
const bodiesAtNoon = ['acme before the base backup', 'acme between the base backup and noon']

describe('a point in time', () => {
  let directory: string
  let server: EmbeddedServer
  let recovered: EmbeddedServer | undefined
  let superuser: ControlPool
  let fleet: Fleet
  let tenancy: Tenancy
  /** The end of the log at the moment to which we go back. */
  let noon: string
  let archive: string

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'partywall-pitr-'))
    await mkdir(join(directory, 'migrations'))
    await writeFile(join(directory, 'migrations', '0001-notes.sql'), migration)
    archive = join(directory, 'archive')
    await mkdir(archive)
    // The server's user has to reach it.
    await chmod(directory, 0o711)
    server = await startEmbeddedServer({
      directory: join(directory, 'live'),
      binDirectory,
      settings: {
        ...frugalSettings,
        wal_level: 'logical',
        archive_mode: 'on',
        archive_command: `test ! -f '${archive}/%f' && cp '%p' '${archive}/%f'`,
      },
    })
    const { uid, gid } = await lstat(server.dataDirectory)
    await chown(archive, uid, gid)
    superuser = new ControlPool({ connectionString: server.superuserUrl, applicationName: 'test-pitr', statementTimeoutMs: 60_000 })
    await superuser.query('create database app')
    await secureServer(superuser)
    await installPartywall({ connectionString: urlFor(server.superuserUrl, 'app'), passwords, catalog: true })
    const as = (name: keyof typeof passwords) =>
      urlFor(server.superuserUrl, 'app', { name: `partywall_${name}`, password: passwords[name] })
    const secrets = memorySecrets({ 'server/main/admin': server.superuserUrl })
    const urls = { catalog: as('gatekeeper'), admin: as('migrator'), secrets }
    fleet = await openFleet({ ...urls, migrations: pathToFileURL(`${join(directory, 'migrations')}/`), backups: { store: memoryStore() } })
    await fleet.migrateMain()
    tenancy = await createTenancy({ ...urls, database: as('app') })
    for (const slug of ['acme', 'hooli']) {
      await fleet.tenants.onboard({ slug, name: slug })
      await write(slug, `${slug} before the base backup`)
    }
  })

  after(async () => {
    await tenancy?.close()
    await fleet?.close()
    await superuser?.close()
    await server?.stop()
    await recovered?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  const write = async (slug: string, body: string): Promise<void> =>
    await tenancy.run(
      slug,
      async ({ tenant }) => void (await tenancy.query('insert into notes (tenant_id, body) values ($1, $2)', [tenant.id, body])),
    )
  const bodies = async (slug: string): Promise<readonly string[]> =>
    await tenancy.run(slug, async () =>
      (await tenancy.query<{ body: string }>('select body from notes order by body')).rows.map(({ body }) => body),
    )

  test('is where a throw-away server comes to, from a base backup and the archived log', async () => {
    const password = decodeURIComponent(new URL(server.superuserUrl).password)
    const throwAway = join(directory, 'throw-away')
    await mkdir(throwAway)
    const base = await takeBaseBackup(superuser, { directory: throwAway, password })
    for (const slug of ['acme', 'hooli']) await write(slug, `${slug} between the base backup and noon`)
    const [at] = await superuser.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn')
    noon = at!.lsn
    // The accident, and life going on after it.
    await tenancy.run('acme', async () => void (await tenancy.query('delete from notes')))
    await write('acme', 'acme after the accident')
    await archived(superuser)
    await base.write('recovery.signal', '')
    recovered = await startEmbeddedServer({
      directory: throwAway,
      binDirectory,
      settings: {
        ...frugalSettings,
        wal_level: 'logical',
        archive_mode: 'off',
        restore_command: `cp '${archive}/%f' '%p'`,
        recovery_target_lsn: noon,
        recovery_target_inclusive: 'off',
        recovery_target_action: 'promote',
      },
    })
    await promoted(recovered)
  })

  test('is restored beside the live tenant, which is left as it is', async () => {
    const backup = await fleet.backups.create('acme', { from: urlFor(recovered!.superuserUrl, 'app') })
    assert.deepEqual([backup.kind, backup.rows], ['point in time', 2])
    assert.equal((await fleet.backups.verify(backup.id)).isGood, true)
    await fleet.backups.restore(backup.id, { as: 'acme-at-noon' })
    assert.deepEqual(await bodies('acme-at-noon'), bodiesAtNoon)
    assert.deepEqual(await bodies('acme'), ['acme after the accident'])
    assert.equal((await bodies('hooli')).length, 2)
  })

  test('is merged into the live tenant: what was deleted is back, and what came later stays', async () => {
    await fleet.backups.merge('acme', 'acme-at-noon')
    assert.deepEqual(await bodies('acme'), ['acme after the accident', ...bodiesAtNoon])
  })

  test('is named by a server that is in the catalog, too', async () => {
    const { id } = await fleet.backups.create('hooli', { from: 'main' })
    assert.equal((await fleet.backups.get(id)).kind, 'point in time')
  })

  test('does not come from what is no server, nor from one on which the tenant never was', async () => {
    await assert.rejects(fleet.backups.create('acme', { from: 'nowhere' }), ConfigurationError)
    await assert.rejects(fleet.backups.create('acme', { from: 'http://127.0.0.1/app' }), ConfigurationError)
    await fleet.tenants.onboard({ slug: 'late', name: 'Late' })
    await assert.rejects(fleet.backups.create('late', { from: urlFor(recovered!.superuserUrl, 'app') }), TenancyError)
    assert.deepEqual((await fleet.backups.list('late')).backups, [])
  })
})

/** Resolves when all of the log until now is in the archive. */
async function archived(superuser: ControlPool): Promise<void> {
  const [segment] = await superuser.query<{ name: string }>('select pg_walfile_name(pg_switch_wal()) as name')
  for (;;) {
    const [row] = await superuser.query<{ done: boolean }>(
      'select coalesce(s.last_archived_wal >= $1, false) as done from pg_catalog.pg_stat_archiver as s',
      [segment!.name],
    )
    if (row!.done) return
  }
}

/** Resolves when the server has left recovery and takes writes. */
async function promoted({ superuserUrl }: EmbeddedServer): Promise<void> {
  const control = new ControlPool({ connectionString: superuserUrl, applicationName: 'test-pitr' })
  try {
    for (;;) {
      const [row] = await control.query<{ done: boolean }>('select not pg_is_in_recovery() as done')
      if (row!.done) return
    }
  } finally {
    await control.close()
  }
}
