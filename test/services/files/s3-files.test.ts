// Against moto, the stand-in for AWS that others test with; and what is signed, which moto does not look at, against what does.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { FileInfectedError, FileNotFoundError, InvalidInputError, MediaTypeError, QuotaExceededError } from '../../../src/errors.ts'
import type { FileStore } from '../../../src/objects/file-store.ts'
import { s3Store } from '../../../src/objects/s3-store.ts'
import { fileKey } from '../../../src/resources/files/file-key.ts'
import { filePurgeStore } from '../../../src/resources/files/file-purge-store.ts'
import type { FilesOptions } from '../../../src/resources/files/files-options.ts'
import { MemoryFileIndexes } from '../../../src/resources/files/memory-file-index.ts'
import { SignedFileUrls } from '../../../src/resources/files/signed-file-urls.ts'
import { FilesOfTenants } from '../../../src/resources/files/tenant-files.ts'
import { fileStoreConformance } from '../../objects/file-store-conformance.ts'
import { bytesOf, inPieces, objectStoreConformance } from '../../objects/object-store-conformance.ts'
import { contextOf } from '../../resources/cache-conformance.ts'
import { filesConformance, textOf } from '../../resources/files-conformance.ts'
import { pythonPackage } from '../../support/python-package.ts'
import { realServer } from '../../support/real-server.ts'
import { sigv4Server } from '../../support/sigv4-server.ts'

const credentials = { accessKeyId: 'AKIATEST', secretAccessKey: 'Aws5ecretKey' }
const cast = { bob: contextOf('bob', 1), carol: contextOf('carol', 10) }
let buckets = 0

/** What outlives a hook: its end is called by hand. */
class Lifetime {
  readonly #ends: (() => unknown)[] = []
  after(fn: () => unknown): void {
    this.#ends.push(fn)
  }
  async end(): Promise<void> {
    for (const fn of this.#ends) await fn()
  }
}

async function moto(t: Pick<TestContext, 'after'>): Promise<string> {
  const environment = pythonPackage('moto-5.2.5', 'moto[server]==5.2.5', (path) => existsSync(join(path, 'bin', 'moto_server')))
  const args = (port: number) => ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)]
  return await realServer(
    t as TestContext,
    join(environment, 'bin', 'python'),
    args,
    async (url) => (await fetch(`${url}/moto-api/data.json`)).status === 200,
  )
}

async function freshStore(endpoint: string): Promise<FileStore> {
  const { CreateBucketCommand, S3Client } = await import('@aws-sdk/client-s3')
  buckets += 1
  const bucket = `bucket-${buckets}`
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  client.destroy()
  return s3Store({ bucket, region: 'us-east-1', endpoint, credentials: async () => credentials, partMiB: 5 })
}

describe('files in S3', () => {
  const life = new Lifetime()
  let endpoint = ''
  before(async () => {
    endpoint = await moto(life)
  })
  after(() => life.end())

  objectStoreConformance('a store in S3', async () => await freshStore(endpoint))
  fileStoreConformance('a store in S3', async () => await freshStore(endpoint))
  filesConformance('files in S3', async () => ({ ...cast, store: await freshStore(endpoint), indexes: new MemoryFileIndexes() }))

  const opened = async (options: Partial<FilesOptions> = {}) => {
    const store = await freshStore(endpoint)
    const urls = new SignedFileUrls({ keys: [randomBytes(32)], baseUrl: 'https://files.example.com/f' })
    const all = new FilesOfTenants({ options: { store, urls, ...options }, indexes: new MemoryFileIndexes() })
    return { store, bobs: all.for(cast.bob), carols: all.for(cast.carol) }
  }
  const key = fileKey('a', 'note.txt')

  test('a file of several parts comes back whole, and one that goes over the quota leaves no part', async () => {
    const { bobs, store } = await opened({ quota: { bytesMax: 30_000_000, filesMax: 10 } })
    const content = randomBytes(12 * 1_048_576 + 7)
    await bobs.put(key, inPieces(content))
    assert.ok((await bytesOf((await bobs.get(key))?.body))?.equals(content))
    await assert.rejects(bobs.put(fileKey('b'), inPieces(randomBytes(25_000_000))), QuotaExceededError)
    assert.equal((await store.list('')).length, 1)
    assert.equal(await store.discardUnfinished('', new Date(Date.now() + 60_000)), 0)
  })

  test('an address that was signed reads one file, and no other', async () => {
    const { bobs } = await opened()
    await bobs.put(key, Buffer.from('of bob'))
    await bobs.put(fileKey('b'), Buffer.from('another'))
    const { url, expiresAt } = await bobs.signedUrl(key, { expiresInMs: 60_000 })
    assert.ok(Math.abs(expiresAt.getTime() - Date.now() - 60_000) < 5_000)
    const answer = await fetch(url)
    assert.deepEqual([answer.status, await answer.text()], [200, 'of bob'])
    assert.equal(answer.headers.get('content-type'), 'text/plain')
    assert.match(answer.headers.get('content-disposition') ?? '', /^attachment; filename="note.txt"$/)
    await assert.rejects(bobs.signedUrl(key, { expiresInMs: 900_001 }), InvalidInputError)
  })

  test('what a client has sent to the store is no file before it is completed, and is judged then', async () => {
    const { bobs, carols, store } = await opened({
      scan: async (body) => (/EICAR/.test(String(await bytesOf(body))) ? { infected: 'EICAR' } : 'clean'),
    })
    const upload = async (content: string, contentType = 'text/plain') => {
      const signed = await bobs.signedUrl(key, { method: 'PUT', expiresInMs: 60_000, contentType: 'text/plain', contentLengthMax: 20 })
      assert.deepEqual(signed.headers, { 'content-type': 'text/plain' })
      const { status } = await fetch(signed.url, { method: 'PUT', body: content, headers: { 'content-type': contentType } })
      return { ...signed, status, ticket: signed.ticket ?? '' }
    }
    const sent = await upload('a note')
    assert.equal(sent.status, 200)
    assert.equal(await bobs.head(key), undefined)
    await assert.rejects(carols.complete(sent.ticket), { code: 'PW_SIGNED_URL_REFUSED' })
    const file = await bobs.complete(sent.ticket)
    assert.deepEqual([file.bytes, file.contentType], [6, 'text/plain'])
    // The address is still good, and changes nothing any more.
    await fetch(sent.url, { method: 'PUT', body: 'EICAR', headers: sent.headers })
    assert.equal(await textOf(bobs, key), 'a note')
    for (const [content, wrong] of [
      ['this has an EICAR', FileInfectedError],
      ['%PDF-1.7 a document', MediaTypeError],
    ] as const) {
      const { ticket } = await upload(content)
      await assert.rejects(bobs.complete(ticket), wrong)
    }
    const large = await upload('this is more than twenty bytes')
    await assert.rejects(bobs.complete(large.ticket), { code: 'PW_BODY_TOO_LARGE' })
    assert.equal(await textOf(bobs, key), 'a note')
    const nothing = await bobs.signedUrl(key, { method: 'PUT', expiresInMs: 60_000 })
    await assert.rejects(bobs.complete(nothing.ticket ?? ''), FileNotFoundError)
    const { tenant } = cast.bob
    const purge = filePurgeStore([store])
    await purge.purge(tenant as never, {})
    assert.deepEqual(await purge.verify(tenant as never), [])
    assert.deepEqual(await store.list(''), [])
  })
})

test('an address into S3 opens one object, for one method and one type, until it expires', async (t) => {
  const endpoint = await sigv4Server(t, credentials)
  const { direct } = s3Store({ bucket: 'bucket', region: 'eu-central-1', endpoint, credentials: async () => credentials })
  assert.ok(direct)
  const sign = async (key: string, method: 'GET' | 'PUT', expiresInMs = 60_000, contentType?: string) =>
    (await direct.sign(key, { method, expiresInMs, contentType })).url
  const send = async (url: string, body: string, type: string) =>
    (await fetch(url, { method: 'PUT', body, headers: { 'content-type': type } })).status
  const put = await sign('bobs/a', 'PUT', 60_000, 'text/plain')
  assert.equal(await send(put, 'of bob', 'text/html'), 403)
  assert.equal(await send(put, 'of bob', 'text/plain'), 200)
  assert.equal(await send(await sign('carols/a', 'PUT', 60_000, 'text/plain'), 'of carol', 'text/plain'), 200)
  const get = await sign('bobs/a', 'GET')
  assert.equal(await (await fetch(get)).text(), 'of bob')
  for (const [from, to] of [
    ['bobs/a', 'carols/a'],
    ['bobs/a', 'bobs/../carols/a'],
    ['bobs/a', 'bobs/b'],
    ['X-Amz-Expires=60', 'X-Amz-Expires=6000'],
    ['X-Amz-Signature=', 'X-Amz-Signature=0'],
  ] as const) {
    assert.ok(get.includes(from))
    assert.notEqual((await fetch(get.replace(from, to))).status, 200, to)
  }
  assert.equal(await send(get, 'x', 'text/plain'), 403)
  assert.equal((await fetch(put)).status, 403)
  const short = await sign('bobs/a', 'GET', 1_000)
  while ((await fetch(short)).status === 200) await wait(100)
  assert.equal((await fetch(short)).status, 403)
})
