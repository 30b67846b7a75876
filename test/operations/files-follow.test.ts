// Files are their tenant's wherever it goes, and end with it.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { FileCorruptError, SignedUrlRefusedError } from '../../src/errors.ts'
import type { Fleet } from '../../src/fleet.ts'
import { memoryStore } from '../../src/objects/memory-store.ts'
import { certificateKeySet } from '../../src/operations/certificate-key.ts'
import { type SignedCertificate, verifyCertificate } from '../../src/operations/purge-certificate.ts'
import { fileKey } from '../../src/resources/files/file-key.ts'
import { filePurgeStore } from '../../src/resources/files/file-purge-store.ts'
import { tenantPrefix } from '../../src/resources/files/object-key.ts'
import { SignedFileUrls } from '../../src/resources/files/signed-file-urls.ts'
import type { TenantFiles } from '../../src/resources/files/tenant-files.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import { textOf } from '../resources/files-conformance.ts'
import { type BackupFleet, backupFleet } from '../support/backups.ts'

const reason = 'A test of files.'
const report = fileKey('reports', 'report.txt')

describe('files', () => {
  const store = memoryStore()
  const urls = new SignedFileUrls({ keys: [randomBytes(32)], baseUrl: 'https://files.example.com/f' })
  let stage: BackupFleet
  let fleet: Fleet
  let tenancy: Tenancy

  before(async () => {
    stage = await backupFleet({ withServer: false, more: 'select partywall.create_files();', stores: [filePurgeStore([store])] })
    fleet = stage.fleet
    const { gatekeeper, app, migrator } = stage.catalog.urls
    tenancy = await createTenancy({ catalog: gatekeeper, database: app, admin: migrator, secrets: stage.secrets, files: { store, urls } })
  })

  after(async () => {
    await tenancy?.close()
    await stage?.strike()
  })

  const as = async <T>(slug: string, fn: (files: TenantFiles) => Promise<T>): Promise<T> =>
    await tenancy.run(slug, () => fn(tenancy.files()))

  test('are served before, while and after their tenant moves, and what was signed before ends with the move', async () => {
    await fleet.tenants.onboard({ slug: 'mover', name: 'mover', plan: 'free' })
    await as('mover', (files) => files.put(report, Buffer.from('0')))
    const { url } = await as('mover', (files) => files.signedUrl(report, { expiresInMs: 60_000 }))
    await as('mover', (files) => files.verifySignedUrl(url, { method: 'GET' }))
    for (const [index, to] of (['schema', 'database', 'pooled'] as const).entries()) {
      await fleet.moves.start('mover', { to }, { reason })
      assert.equal(await as('mover', (files) => textOf(files, report)), String(index))
      await fleet.moves.switch('mover')
      await as('mover', (files) => files.put(report, Buffer.from(String(index + 1))))
      await fleet.moves.complete('mover')
      assert.equal(await as('mover', (files) => textOf(files, report)), String(index + 1))
      assert.deepEqual(await as('mover', async (files) => [(await files.usage()).files, (await files.list()).files.length]), [1, 1])
    }
    await as('mover', (files) => assert.rejects(files.verifySignedUrl(url, { method: 'GET' }), SignedUrlRefusedError))
    assert.equal((await store.list('')).length, 1)
  })

  test('of a backup are named again where their bytes are still there; and said to be gone where they are not', async () => {
    await fleet.tenants.onboard({ slug: 'acme', name: 'acme', plan: 'free' })
    const other = fileKey('other')
    await as('acme', (files) => files.put(report, Buffer.from('kept')))
    await as('acme', (files) => files.put(other, Buffer.from('replaced')))
    const { id } = await fleet.backups.create('acme')
    await as('acme', (files) => files.put(other, Buffer.from('by this')))
    await fleet.backups.restore(id, { as: 'acme-then', isolation: 'pooled' })
    // A tenant beside has a prefix of its own: no row leads it to the first one's objects.
    await as('acme-then', (files) => assert.rejects(files.get(report), FileCorruptError))
    await fleet.backups.swap('acme', `acme/${id}`, { reason })
    assert.equal(await as('acme', (files) => textOf(files, report)), 'kept')
    await as('acme', (files) => assert.rejects(files.get(other), FileCorruptError))
  })

  test('end with their tenant, and the certificate has them', async () => {
    await fleet.tenants.onboard({ slug: 'leaver', name: 'leaver', plan: 'team' })
    await as('leaver', (files) => files.put(report, Buffer.from('secret')))
    const { id } = await tenancy.tenants.get('leaver')
    assert.equal((await store.list(tenantPrefix(id))).length, 1)
    const others = (await store.list('')).length - 1
    const { operation } = await fleet.tenants.offboard('leaver', { reason, now: true })
    assert.ok(operation)
    const { text } = operation.steps['certify']!.output as unknown as SignedCertificate
    const { stores } = await verifyCertificate(text, await certificateKeySet(stage.secrets))
    const certified = stores.find(({ store: name }) => name === 'files')
    assert.deepEqual(certified?.removed, [{ kind: 'objects', where: 'files (memory)', count: 1 }])
    assert.deepEqual(certified.after, [])
    assert.deepEqual(await store.list(tenantPrefix(id)), [])
    assert.equal((await store.list('')).length, others)
  })
})
