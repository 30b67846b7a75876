// Files, with their index where this run's tenants live.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { Tenant } from '../../src/core/tenant.ts'
import { createTenantContext } from '../../src/core/tenant-context.ts'
import {
  ConfigurationError,
  FileNotFoundError,
  NoTenantError,
  SignedUrlRefusedError,
  TenancyError,
  TenantNotFoundError,
  TenantSuspendedError,
} from '../../src/errors.ts'
import { memoryStore } from '../../src/objects/memory-store.ts'
import { PostgresFileIndexes } from '../../src/postgres/file-index.ts'
import { fileKey } from '../../src/resources/files/file-key.ts'
import { objectIdOf } from '../../src/resources/files/object-key.ts'
import { serveSignedFile } from '../../src/resources/files/serve-signed-file.ts'
import { SignedFileUrls } from '../../src/resources/files/signed-file-urls.ts'
import type { TenantFiles } from '../../src/resources/files/tenant-files.ts'
import { createTenancy } from '../../src/tenancy.ts'
import { bytesOf } from '../objects/object-store-conformance.ts'
import { filesConformance, textOf } from '../resources/files-conformance.ts'
import { type Stage, stage } from '../support/cast.ts'

const store = memoryStore()
const secret = randomBytes(32)
const urls = new SignedFileUrls({ keys: [secret], baseUrl: 'https://files.example.com/f' })
const report = fileKey('reports', 'report.txt')

let scene: Stage

const as = async <T>(tenant: Pick<Tenant, 'id'>, fn: (files: TenantFiles) => Promise<T>): Promise<T> =>
  await scene.tenancy.run(tenant.id, () => fn(scene.tenancy.files()))

async function nothingStored(): Promise<void> {
  await scene.alice('delete from stored_files')
  await scene.alice('delete from stored_files_usage')
  for (const { key } of await store.list('')) await store.delete(key)
}

describe('where a tenant lives', () => {
  before(async () => {
    scene = await stage(undefined, { files: { store, urls } })
    await scene.migrate('select partywall.create_files()')
  })

  after(async () => {
    await scene.tenancy.close()
  })

  filesConformance('files with their index among the tenant’s tables', async () => {
    await nothingStored()
    const [bob, carol] = [scene.bob, scene.carol].map((tenant) => createTenantContext({ tenant }))
    return { store: memoryStore(), indexes: new PostgresFileIndexes(scene.tenancy), bob: bob!, carol: carol! }
  })

  describe('files of tenants', () => {
    before(async () => {
      await nothingStored()
      for (const tenant of [scene.bob, scene.carol]) await as(tenant, (files) => files.put(report, Buffer.from(`of ${tenant.slug}`)))
    })

    test('there are none without a tenant', () => {
      assert.throws(() => scene.tenancy.files(), NoTenantError)
    })

    test('there are none without a store, or without an index: it says what mends it', async () => {
      const bare = await createTenancy(scene.access)
      try {
        await bare.run(scene.bob.id, async () => assert.throws(() => bare.files(), ConfigurationError))
      } finally {
        await bare.close()
      }
      await scene.migrate('alter table stored_files rename to hidden')
      try {
        const isTold = (error: unknown) => error instanceof ConfigurationError && /partywall\.create_files/.test(error.message)
        await as(scene.bob, (files) => assert.rejects(files.head(report), isTold))
      } finally {
        await scene.migrate('alter table hidden rename to stored_files')
      }
    })

    test('alice sees both tenants’ rows, and each tenant sees its own', async () => {
      const truth = await scene.alice<{ tenant_id: string }>('select f.tenant_id from stored_files as f')
      assert.deepEqual(new Set(truth.map(({ tenant_id }) => tenant_id)), new Set([scene.bob.id, scene.carol.id]))
      for (const tenant of [scene.bob, scene.carol]) {
        const { rows } = await scene.tenancy.run(tenant.id, () =>
          scene.tenancy.query<{ tenant_id: string }>('select f.tenant_id from stored_files as f'),
        )
        assert.deepEqual(rows, [{ tenant_id: tenant.id }])
        assert.equal(await as(tenant, (files) => textOf(files, report)), `of ${tenant.slug}`)
      }
    })

    test('a row that names another tenant’s object opens nothing: objects are below the prefix of who asks', async () => {
      const theirs = (await store.list('')).map(({ key }) => objectIdOf(key))
      await scene.tenancy.run(scene.bob.id, async () => {
        for (const objectId of theirs) {
          await scene.tenancy.query(
            `insert into stored_files (tenant_id, key, object_id, region, bytes, content_type, sha256)
           select f.tenant_id, 'stolen-' || $1, $1::uuid, f.region, f.bytes, f.content_type, f.sha256 from stored_files as f where f.key = $2
               on conflict do nothing`,
            [objectId, report],
          )
        }
        const { files } = await scene.tenancy.files().list({ prefix: 'stolen-' })
        assert.equal(files.length, 1)
        for (const { key } of files) {
          await assert.rejects(scene.tenancy.files().get(key), { code: 'PW_FILE_CORRUPT' })
          await scene.tenancy.query('delete from stored_files as f where f.key = $1', [key])
        }
      })
      assert.equal(await as(scene.carol, (files) => textOf(files, report)), 'of carol')
    })

    test('a suspended tenant’s files are refused, whatever a handle was taken before', async () => {
      await assert.rejects(
        as(scene.dave, (files) => files.head(report)),
        TenantSuspendedError,
      )
      const { handle, signed } = await as(scene.bob, async (files) => ({
        handle: files,
        signed: await files.signedUrl(report, { expiresInMs: 60_000 }),
      }))
      await scene.suspend(scene.bob)
      try {
        for (const refused of [
          () => handle.get(report),
          () => handle.list(),
          () => handle.put(report, Buffer.from('x')),
          () => handle.delete(report),
          () => handle.copy(report, fileKey('a')),
          () => handle.signedUrl(report, { expiresInMs: 60_000 }),
          () => serve(signed.url),
        ]) {
          await assert.rejects(async () => await refused(), TenantSuspendedError)
        }
      } finally {
        await scene.resume(scene.bob)
      }
      assert.equal(await as(scene.bob, (files) => textOf(files, report)), 'of bob')
      // Each change of the tenant ends what was signed before it.
      await assert.rejects(serve(signed.url), SignedUrlRefusedError)
    })

    test('a signed address opens one file, of one tenant, for one method, until it expires', async () => {
      const signed = await as(scene.bob, (files) => files.signedUrl(report, { expiresInMs: 60_000 }))
      const { status, headers, body } = await serve(signed.url)
      assert.deepEqual([status, headers['content-type'], headers['content-length']], [200, 'text/plain', '6'])
      assert.match(headers['content-disposition'] ?? '', /^attachment; filename="report.txt"$/)
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.equal(String(await bytesOf(body)), 'of bob')
      assert.equal((await serve(signed.url, 'HEAD')).body, undefined)
      await assert.rejects(serve(signed.url, 'PUT'), SignedUrlRefusedError)
      await assert.rejects(serve(signed.url, 'DELETE'), SignedUrlRefusedError)
      await assert.rejects(serve(`${signed.url}?x=1`), SignedUrlRefusedError)
      await as(scene.carol, (files) => assert.rejects(files.verifySignedUrl(signed.url, { method: 'GET' }), SignedUrlRefusedError))
      await as(scene.bob, (files) => assert.rejects(files.signedUrl(fileKey('nothing'), { expiresInMs: 60_000 }), FileNotFoundError))
    })

    test('a signed address of a tenant that is not there, signed with our own key, is not found', async () => {
      const claims = { tenantId: '0190a0a0-0000-7000-8000-000000000000' as Tenant['id'], epoch: 1, key: report, method: 'GET' as const }
      const url = await urls.url({
        ...claims,
        expiresAt: new Date(Date.now() + 60_000),
        contentType: undefined,
        contentLengthMax: undefined,
      })
      await assert.rejects(serve(url), TenantNotFoundError)
    })

    test('what a client sends to a signed address is a file of the tenant that signed it', async () => {
      const key = fileKey('uploads', 'note.txt')
      const options = { method: 'PUT', expiresInMs: 60_000, contentType: 'text/plain', contentLengthMax: 10 } as const
      const signed = await as(scene.bob, (files) => files.signedUrl(key, options))
      assert.deepEqual(signed.headers, { 'content-type': 'text/plain' })
      const send = async (content: string, contentType: string, contentLength?: string) =>
        await serveSignedFile(
          { tenancy: scene.tenancy, urls },
          { method: 'PUT', target: signed.url, contentType, contentLength, body: [Buffer.from(content)] as never },
        )
      await assert.rejects(send('a note', 'text/html'), { code: 'PW_MEDIA_TYPE' })
      await assert.rejects(send('x', 'text/plain', '11'), { code: 'PW_BODY_TOO_LARGE' })
      await assert.rejects(send('more than ten', 'text/plain'), { code: 'PW_BODY_TOO_LARGE' })
      assert.equal((await send('a note', 'text/plain')).status, 201)
      assert.equal(await as(scene.bob, (files) => textOf(files, key)), 'a note')
      assert.equal(await as(scene.carol, (files) => files.head(key)), undefined)
      const told = await as(scene.bob, (files) => files.complete(signed.ticket ?? ''))
      assert.equal(told.bytes, 6)
      await as(scene.carol, (files) => assert.rejects(files.complete(signed.ticket ?? ''), SignedUrlRefusedError))
      // The ticket is for the application, and opens nothing as an address.
      await assert.rejects(serve(`https://files.example.com/f/${signed.ticket}`), SignedUrlRefusedError)
    })

    test('a tenant’s rows cannot be made to count for another', async () => {
      await scene.tenancy.run(scene.bob.id, async () => {
        const { rowCount } = await scene.tenancy.query('update stored_files_usage set bytes = 0')
        assert.equal(rowCount, 1)
        await assert.rejects(
          scene.tenancy.query('insert into stored_files_usage (tenant_id, files, bytes) values ($1, 0, 0)', [scene.carol.id]),
          TenancyError,
        )
      })
      assert.equal((await as(scene.carol, (files) => files.usage())).bytes, 'of carol'.length)
      // What was counted wrong is counted anew.
      await as(scene.bob, (files) => files.sweep())
      assert.ok((await as(scene.bob, (files) => files.usage())).bytes > 0)
    })
  })
})

async function serve(target: string, method = 'GET') {
  return await serveSignedFile({ tenancy: scene.tenancy, urls }, { method, target })
}
