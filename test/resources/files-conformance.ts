// What every store and every index of files promise, seen through the tenants' handles. Run by each adapter's test.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import type { TenantContext } from '../../src/core/tenant-context.ts'
import {
  AbortedError,
  BodyTooLargeError,
  ClosedError,
  FileCorruptError,
  FileExistsError,
  FileInfectedError,
  FileNotFoundError,
  InvalidInputError,
  MediaTypeError,
  QuotaExceededError,
  TenantBusyError,
} from '../../src/errors.ts'
import type { FileStore } from '../../src/objects/file-store.ts'
import type { FileIndexes } from '../../src/resources/files/file-index.ts'
import { type FileKey, fileKey } from '../../src/resources/files/file-key.ts'
import type { FilesOptions } from '../../src/resources/files/files-options.ts'
import { objectIdOf, tenantPrefix } from '../../src/resources/files/object-key.ts'
import { FilesOfTenants, type TenantFiles } from '../../src/resources/files/tenant-files.ts'
import { bytesOf, inPieces } from '../objects/object-store-conformance.ts'

/** A store and an index, with two tenants who have nothing yet. */
export interface FilesUnderTest {
  readonly store: FileStore
  readonly indexes: FileIndexes
  readonly bob: TenantContext
  readonly carol: TenantContext
}

interface Play extends FilesUnderTest {
  readonly bobs: TenantFiles
  readonly carols: TenantFiles
  /** The same two with other options. */
  with(options: Partial<FilesOptions>): { readonly bobs: TenantFiles; readonly carols: TenantFiles }
  /** Keys of all objects that the store has. */
  objects(): Promise<readonly string[]>
}

const report = fileKey('reports', '2026', 'report.bin')
const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')

export async function textOf(files: TenantFiles, key: FileKey): Promise<string | undefined> {
  const open = await files.get(key)
  return open && String(await bytesOf(open.body))
}

export function filesConformance(name: string, make: (t: TestContext) => Promise<FilesUnderTest>): void {
  const promise = (sentence: string, fn: (play: Play, t: TestContext) => Promise<void>) =>
    test(`${name}: ${sentence}`, async (t) => {
      const subject = await make(t)
      const { store, indexes, bob, carol } = subject
      const open = (options: Partial<FilesOptions> = {}) => {
        const files = new FilesOfTenants({ options: { store, ...options }, indexes })
        return { bobs: files.for(bob), carols: files.for(carol) }
      }
      const objects = async () => (await store.list('')).map(({ key }) => key)
      await fn({ ...subject, ...open(), with: open, objects }, t)
    })

  promise('gives back what was put, with its length, its checksum and its type', async ({ bobs }) => {
    for (const bytes of [0, 1, 4_099, 4_100, 262_145, 1_000_003]) {
      const content = randomBytes(bytes)
      const sha256 = createHash('sha256').update(content).digest('hex')
      for (const body of [content, inPieces(content, 70_001)]) {
        const file = await bobs.put(report, body, { contentType: 'application/octet-stream', sha256 })
        assert.deepEqual([file.key, file.bytes, file.sha256, file.contentType], [report, bytes, sha256, 'application/octet-stream'])
        assert.deepEqual(await bobs.head(report), file)
        const open = await bobs.get(report)
        assert.deepEqual(open?.file, file)
        assert.ok((await bytesOf(open?.body))?.equals(content))
      }
    }
  })

  promise('a tenant reads, lists, copies, deletes and counts its own files, and none of its neighbour’s', async ({ bobs, carols }) => {
    await bobs.put(report, Buffer.from('of bob'))
    await carols.put(report, Buffer.from('of carol'))
    const onlyBobs = fileKey('only', 'bob')
    await bobs.put(onlyBobs, Buffer.from('of bob alone'))
    assert.equal(await textOf(bobs, report), 'of bob')
    assert.equal(await textOf(carols, report), 'of carol')
    assert.equal(await carols.get(onlyBobs), undefined)
    assert.equal(await carols.head(onlyBobs), undefined)
    await assert.rejects(carols.copy(onlyBobs, fileKey('mine')), FileNotFoundError)
    assert.equal(await carols.delete(onlyBobs), false)
    assert.deepEqual(
      (await carols.list()).files.map(({ key }) => key),
      [report],
    )
    assert.deepEqual(await carols.usage().then(({ files, bytes }) => [files, bytes]), [1, 8])
    assert.equal(await carols.delete(report), true)
    assert.equal(await textOf(bobs, report), 'of bob')
    assert.equal(await textOf(bobs, onlyBobs), 'of bob alone')
    assert.deepEqual(await bobs.usage().then(({ files, bytes }) => [files, bytes]), [2, 18])
  })

  promise(
    'what is stored lies below its tenant’s prefix, under a name that tells nothing',
    async ({ bobs, carols, bob, carol, objects }) => {
      await bobs.put(report, Buffer.from('x'))
      const [of = ''] = await objects()
      assert.ok(of?.startsWith(tenantPrefix(bob.tenant.id)))
      assert.ok(objectIdOf(of) !== undefined)
      for (const word of ['report', '2026', bob.tenant.slug, bob.tenant.id]) assert.doesNotMatch(of, new RegExp(word))
      await carols.put(report, Buffer.from('y'))
      assert.equal((await objects()).filter((key) => key.startsWith(tenantPrefix(carol.tenant.id))).length, 1)
    },
  )

  promise('a file that is replaced is the old one or the new one, and what it was goes', async ({ bobs, objects }) => {
    await bobs.put(report, Buffer.from('one'))
    const open = await bobs.get(report)
    await bobs.put(report, Buffer.from('second'))
    assert.equal(await textOf(bobs, report), 'second')
    assert.equal((await objects()).length, 1)
    assert.deepEqual(await bobs.usage().then(({ files, bytes }) => [files, bytes]), [1, 6])
    await assert.rejects(bobs.put(report, Buffer.from('third'), { ifAbsent: true }), FileExistsError)
    assert.equal(await textOf(bobs, report), 'second')
    assert.equal((await objects()).length, 1)
    // Who had it open may have the old one or be told that it is gone; never a mixture.
    const old = await bytesOf(open?.body).catch((error: unknown) => error)
    assert.ok(old instanceof Error || String(old) === 'one')
  })

  promise('of several who store what is not there yet, one does', async ({ bobs, objects }) => {
    const all = await Promise.allSettled([1, 2, 3, 4, 5].map((n) => bobs.put(report, Buffer.from(`of ${n}`), { ifAbsent: true })))
    assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const each of all) if (each.status === 'rejected') assert.ok(each.reason instanceof FileExistsError, String(each.reason))
    assert.equal((await objects()).length, 1)
    assert.deepEqual(await bobs.usage().then(({ files, bytes }) => [files, bytes]), [1, 4])
  })

  promise('a stream that goes over the quota is ended there, and leaves nothing', async (play) => {
    const { bobs, carols } = play.with({ quota: { bytesMax: 500_000, filesMax: 3 } })
    await bobs.put(fileKey('kept'), randomBytes(100_000))
    let pulled = 0
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (; pulled < 1_000; pulled += 1) yield randomBytes(10_000)
    }
    await assert.rejects(bobs.put(report, endless()), QuotaExceededError)
    assert.ok(pulled <= 41, `${pulled} pieces were taken`)
    assert.equal(await bobs.head(report), undefined)
    assert.equal((await play.objects()).length, 1)
    assert.deepEqual(await bobs.usage().then(({ files, bytes }) => [files, bytes]), [1, 100_000])
    // What it replaces makes room for it; another tenant's quota is its own.
    await bobs.put(fileKey('kept'), randomBytes(500_000))
    await assert.rejects(bobs.put(report, randomBytes(1)), QuotaExceededError)
    await carols.put(report, randomBytes(500_000))
    await bobs.put(fileKey('kept'), Buffer.from(''))
    for (const key of ['a', 'b']) await bobs.put(fileKey(key), Buffer.from('x'))
    await assert.rejects(bobs.put(fileKey('c'), Buffer.from('x')), QuotaExceededError)
    await assert.rejects(bobs.copy(fileKey('a'), fileKey('c')), QuotaExceededError)
    await bobs.put(fileKey('a'), Buffer.from('y'))
  })

  promise('uploads at once do not go over the quota together', async (play) => {
    const { bobs } = play.with({ quota: { bytesMax: 250_000, filesMax: 10 } })
    const all = await Promise.allSettled([1, 2, 3, 4].map((n) => bobs.put(fileKey(`file-${n}`), inPieces(randomBytes(100_000)))))
    assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 2)
    for (const each of all) if (each.status === 'rejected') assert.ok(each.reason instanceof QuotaExceededError, String(each.reason))
    assert.equal((await play.objects()).length, 2)
    assert.deepEqual(await bobs.usage().then(({ files, bytes }) => [files, bytes]), [2, 200_000])
  })

  promise('a file that is larger than it may be leaves nothing', async (play) => {
    const { bobs } = play.with({ fileBytesMax: 1_000 })
    await bobs.put(report, randomBytes(1_000))
    await assert.rejects(bobs.put(fileKey('a'), randomBytes(1_001)), BodyTooLargeError)
    await assert.rejects(bobs.put(fileKey('a'), randomBytes(101), { bytesMax: 100 }), BodyTooLargeError)
    assert.equal((await play.objects()).length, 1)
  })

  promise('a file is what its bytes say, and is refused when it says something else', async ({ bobs, objects }) => {
    const page = Buffer.from('<!doctype html><script>alert(1)</script>')
    assert.equal((await bobs.put(report, png)).contentType, 'image/png')
    assert.equal((await bobs.put(report, png, { contentType: 'Image/PNG' })).contentType, 'image/png')
    assert.equal((await bobs.put(report, page, { contentType: 'text/html; charset=utf-8' })).contentType, 'text/html; charset=utf-8')
    assert.equal((await bobs.put(report, Buffer.from('{}'), { contentType: 'application/json' })).contentType, 'application/json')
    assert.equal((await bobs.put(report, Buffer.from('some words'))).contentType, 'text/plain')
    for (const [body, contentType] of [
      [page, 'image/png'],
      [png, 'text/html'],
      [png, 'image/jpeg'],
      [Buffer.from('MZ\0\0'), 'text/plain'],
      [Buffer.from('hello'), 'application/pdf'],
    ] as const) {
      await assert.rejects(bobs.put(fileKey('a'), body, { contentType }), MediaTypeError, contentType)
    }
    for (const contentType of ['', 'text', 'text/plain\r\nx: y', 'a/b; charset=x; y=z', `a/${'b'.repeat(300)}`]) {
      await assert.rejects(bobs.put(fileKey('a'), png, { contentType }), InvalidInputError, contentType)
    }
    assert.equal((await objects()).length, 1)
  })

  promise('nobody reads a file before the scanner has called it clean, and nothing is kept of one that is not', async (play) => {
    const seen: string[] = []
    const scanning = play.with({
      scan: async (body, file, { tenant }) => {
        const content = String(await bytesOf(body))
        seen.push(`${tenant.slug} ${file.key} ${content}`)
        assert.equal(await scanning.bobs.head(file.key), undefined)
        if (content === 'the scanner is down') throw new ClosedError('The scanner is down.')
        return content.includes('EICAR') ? { infected: 'EICAR' } : 'clean'
      },
    })
    await assert.rejects(scanning.bobs.put(report, Buffer.from('an EICAR')), (error: unknown) => {
      assert.ok(error instanceof FileInfectedError)
      assert.equal(error.details['found'], 'EICAR')
      return true
    })
    await assert.rejects(scanning.bobs.put(report, Buffer.from('the scanner is down')), ClosedError)
    assert.deepEqual(await play.objects(), [])
    assert.equal((await scanning.bobs.usage()).files, 0)
    await scanning.bobs.put(report, Buffer.from('fine'))
    assert.deepEqual(seen.at(-1), `${play.bob.tenant.slug} ${report} fine`)
    assert.equal(await textOf(play.bobs, report), 'fine')
  })

  promise(
    'an upload that is given up, or breaks off, leaves nothing: also while its source says nothing more',
    async ({ bobs, objects }) => {
      await bobs.put(report, Buffer.from('before'))
      const stopper = new AbortController()
      let isEnded = false
      async function* stalls(): AsyncGenerator<Uint8Array> {
        try {
          yield randomBytes(100_000)
          stopper.abort()
          yield randomBytes(100_000)
          await new Promise(() => {})
        } finally {
          isEnded = true
        }
      }
      await assert.rejects(bobs.put(report, stalls(), { signal: stopper.signal }), AbortedError)
      const silent: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) }
      await assert.rejects(bobs.put(report, silent, { signal: AbortSignal.timeout(20) }), AbortedError)
      const broken = new ClosedError('The client has gone.')
      async function* breaks(): AsyncGenerator<Uint8Array> {
        yield randomBytes(100_000)
        throw broken
      }
      await assert.rejects(bobs.put(report, breaks()), broken)
      const words = (async function* () {
        yield 'a text' as unknown as Uint8Array
      })()
      await assert.rejects(bobs.put(report, words), InvalidInputError)
      await assert.rejects(bobs.put(report, Buffer.from('x'), { sha256: '0'.repeat(64) }), InvalidInputError)
      assert.equal(await textOf(bobs, report), 'before')
      assert.equal((await objects()).length, 1)
      assert.ok(isEnded || stopper.signal.aborted)
    },
  )

  promise('one tenant stores so many at once and no more, and its neighbour is not in its way', async (play) => {
    const { bobs, carols } = play.with({ uploadsMax: 1 })
    const gate = Promise.withResolvers<void>()
    async function* waits(): AsyncGenerator<Uint8Array> {
      await gate.promise
      yield Buffer.from('x')
    }
    const first = bobs.put(report, waits())
    await assert.rejects(bobs.put(fileKey('a'), Buffer.from('x')), TenantBusyError)
    await carols.put(fileKey('a'), Buffer.from('x'))
    gate.resolve()
    await first
    await bobs.put(fileKey('a'), Buffer.from('x'))
  })

  promise('what somebody changed in the store is not given out as whole', async ({ bobs, store, objects }) => {
    const content = randomBytes(400_000)
    await bobs.put(report, content)
    const [object = ''] = await objects()
    const changed = Buffer.from(content)
    changed[399_999] = (changed[399_999] ?? 0) ^ 1
    for (const instead of [changed, content.subarray(0, 399_999), Buffer.concat([content, Buffer.from('x')])]) {
      await store.put(object, inPieces(instead))
      const open = await bobs.get(report)
      let had = 0
      await assert.rejects(async () => {
        for await (const piece of open?.body ?? []) had += piece.byteLength
      }, FileCorruptError)
      assert.ok(had < 400_000)
    }
    await store.delete(object)
    await assert.rejects(bobs.get(report), FileCorruptError)
    await assert.rejects(bobs.copy(report, fileKey('a')), FileCorruptError)
  })

  promise('gives a part alone', async ({ bobs }) => {
    const content = randomBytes(100_000)
    await bobs.put(report, content)
    const part = await bobs.get(report, { range: { start: 10, end: 20 } })
    assert.ok((await bytesOf(part?.body))?.equals(content.subarray(10, 20)))
    assert.equal(part?.file.bytes, 100_000)
    for (const range of [
      { start: -1, end: 5 },
      { start: 5, end: 4 },
      { start: 0.5, end: 4 },
      { start: 0, end: Number.NaN },
    ]) {
      await assert.rejects(bobs.get(report, { range }), InvalidInputError)
    }
  })

  promise('copies within a tenant, counted, and apart from then on', async ({ bobs, objects }) => {
    const file = await bobs.put(report, png)
    const copied = await bobs.copy(report, fileKey('copy.png'))
    assert.deepEqual([copied.sha256, copied.contentType, copied.bytes], [file.sha256, 'image/png', png.byteLength])
    await bobs.delete(report)
    assert.ok((await bytesOf((await bobs.get(fileKey('copy.png')))?.body))?.equals(png))
    await assert.rejects(bobs.copy(fileKey('copy.png'), fileKey('copy.png'), { ifAbsent: true }), FileExistsError)
    await assert.rejects(bobs.copy(report, fileKey('a')), FileNotFoundError)
    assert.equal((await objects()).length, 1)
  })

  promise('lists page by page what begins so', async ({ bobs }) => {
    const names = ['a', 'a-b', 'a.b', 'a/b', 'a/c', 'ab', 'b/a', 'B/a'].sort()
    for (const each of names) await bobs.put(fileKey(...each.split('/')), Buffer.from(each))
    for (const limit of [1, 3, 100]) {
      const found: string[] = []
      let after: FileKey | undefined
      do {
        const page = await bobs.list({ after, limit })
        found.push(...page.files.map(({ key }) => key))
        after = page.next
      } while (after !== undefined)
      assert.deepEqual(found, names)
    }
    const keys = async (prefix: string) => (await bobs.list({ prefix })).files.map(({ key }) => key)
    assert.deepEqual(await keys('a/'), ['a/b', 'a/c'])
    assert.deepEqual(await keys('a'), ['a', 'a-b', 'a.b', 'a/b', 'a/c', 'ab'])
    for (const prefix of ['../', '%', '_', 'a//', "'"]) await assert.rejects(bobs.list({ prefix }), InvalidInputError)
    await assert.rejects(bobs.list({ limit: 0 }), InvalidInputError)
  })

  promise('a key that was not made by fileKey() opens nothing', async ({ bobs, objects }) => {
    for (const key of ['../a', 'a/../b', '/etc/passwd', 'a%2eb', 'a\0b', '', 'a/', 'a\\b', 'é', '.a'] as FileKey[]) {
      await assert.rejects(bobs.put(key, Buffer.from('x')), InvalidInputError)
      await assert.rejects(bobs.get(key), InvalidInputError)
      await assert.rejects(bobs.head(key), InvalidInputError)
      await assert.rejects(bobs.delete(key), InvalidInputError)
      await assert.rejects(bobs.copy(key, report), InvalidInputError)
      await assert.rejects(bobs.copy(report, key), InvalidInputError)
    }
    assert.deepEqual(await objects(), [])
  })
}
