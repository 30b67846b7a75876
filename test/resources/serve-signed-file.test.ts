import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { TenantContext } from '../../src/core/tenant-context.ts'
import { FileNotFoundError, SignedUrlRefusedError, TenantSuspendedError } from '../../src/errors.ts'
import { memoryStore } from '../../src/objects/memory-store.ts'
import { fileKey } from '../../src/resources/files/file-key.ts'
import { MemoryFileIndexes } from '../../src/resources/files/memory-file-index.ts'
import { type FilesDoor, type SignedFileRequest, serveSignedFile } from '../../src/resources/files/serve-signed-file.ts'
import { SignedFileUrls } from '../../src/resources/files/signed-file-urls.ts'
import { FilesOfTenants } from '../../src/resources/files/tenant-files.ts'
import { bytesOf } from '../objects/object-store-conformance.ts'
import { contextOf } from './cache-conformance.ts'

const key = fileKey('a', 'film.bin')
const content = randomBytes(1_000)

async function door(epochNow = 1) {
  const urls = new SignedFileUrls({ keys: [randomBytes(32)], baseUrl: 'https://files.example.com/f' })
  const all = new FilesOfTenants({ options: { store: memoryStore(), urls }, indexes: new MemoryFileIndexes() })
  const bobs = all.for(contextOf('bob', 1))
  await bobs.put(key, content)
  const entered: string[] = []
  const tenancy: FilesDoor = {
    async run(tenant, fn) {
      entered.push(tenant)
      return await fn({} as TenantContext)
    },
    files: () => all.for(contextOf('bob', 1, epochNow)),
  }
  const signed = await bobs.signedUrl(key, { expiresInMs: 60_000 })
  const ask = (over: Partial<SignedFileRequest> = {}) => serveSignedFile({ tenancy, urls }, { method: 'GET', target: signed.url, ...over })
  return { bobs, ask, entered, tenancy, urls }
}

test('a part of a file is answered as HTTP asks for it', async () => {
  const { ask } = await door()
  for (const [range, start, end] of [
    ['bytes=0-0', 0, 1],
    ['bytes=10-19', 10, 20],
    ['bytes=990-', 990, 1_000],
    ['bytes=990-99999', 990, 1_000],
    ['bytes=-10', 990, 1_000],
    ['bytes=-5000', 0, 1_000],
  ] as const) {
    const { status, headers, body } = await ask({ range })
    assert.deepEqual(
      [status, headers['content-range'], headers['content-length']],
      [206, `bytes ${start}-${end - 1}/1000`, String(end - start)],
    )
    assert.ok((await bytesOf(body))?.equals(content.subarray(start, end)), range)
  }
  for (const range of ['bytes=1000-', 'bytes=5000-6000', 'bytes=-0']) {
    const { status, headers, body } = await ask({ range })
    assert.deepEqual([status, headers['content-range'], body], [416, 'bytes */1000', undefined], range)
  }
  // What is no single range is answered with all of it.
  for (const range of ['bytes=0-1,5-6', 'bytes=5-1', 'lines=0-1', 'bytes=-', 'bytes=a-b', 'bytes= 0-1', '']) {
    const { status, body } = await ask({ range })
    assert.equal(status, 200)
    assert.ok((await bytesOf(body))?.equals(content))
  }
})

test('nothing of it is run, guessed or kept on the way', async () => {
  const { headers } = await (await door()).ask()
  assert.equal(headers['content-disposition'], 'attachment; filename="film.bin"')
  assert.equal(headers['x-content-type-options'], 'nosniff')
  assert.match(headers['content-security-policy'] ?? '', /sandbox/)
  assert.equal(headers['cache-control'], 'private, no-store')
})

test('an address that is not ours enters no tenant, and one of an older epoch opens nothing', async () => {
  const { ask, entered } = await door()
  await assert.rejects(ask({ target: '/f/a.b.c' }), SignedUrlRefusedError)
  assert.deepEqual(entered, [])
  await assert.rejects((await door(2)).ask(), SignedUrlRefusedError)
})

test('a tenant that may not be entered is not served, and a file that is gone is not there', async () => {
  const { ask, bobs, tenancy } = await door()
  const run = tenancy.run
  Object.assign(tenancy, { run: () => Promise.reject(new TenantSuspendedError('Suspended.')) })
  await assert.rejects(ask(), TenantSuspendedError)
  Object.assign(tenancy, { run })
  await bobs.delete(key)
  await assert.rejects(ask(), FileNotFoundError)
})
