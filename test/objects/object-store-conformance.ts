// What every store of backups promises. Run by each adapter's test.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { AbortedError, ClosedError, InvalidInputError } from '../../src/errors.ts'
import type { ByteStream, ObjectStore } from '../../src/objects/object-store.ts'

/** Keys that a store could take for another key, or a path out of it. */
export const hostileKeys: readonly string[] = [
  '',
  '/',
  'a/',
  '/a',
  'a//b',
  '.',
  '..',
  'a/../b',
  '../../etc/passwd',
  '.part-1',
  'a/.hidden',
  'a b',
  'a\0b',
  'a\\b',
  'ä',
  'a/b/c/d/e/f/g/h/i',
  'x'.repeat(200),
]

export function objectStoreConformance(name: string, make: (t: TestContext) => Promise<ObjectStore>): void {
  test(`${name}: gives back what was put, piece by piece, whatever its length`, async (t) => {
    const store = await make(t)
    for (const [index, bytes] of [0, 1, 65_536, 1_000_003].entries()) {
      const content = randomBytes(bytes)
      assert.deepEqual(await store.put(`a/${index}`, inPieces(content, 70_001)), { key: `a/${index}`, bytes })
      assert.deepEqual(await store.head(`a/${index}`), { key: `a/${index}`, bytes })
      assert.ok((await bytesOf(await store.get(`a/${index}`)))?.equals(content))
    }
  })

  test(`${name}: replaces what had the key before, and deletes it for good`, async (t) => {
    const store = await make(t)
    await store.put('a/b', inPieces(Buffer.from('one')))
    await store.put('a/b', inPieces(Buffer.from('two')))
    assert.equal(String(await bytesOf(await store.get('a/b'))), 'two')
    await store.delete('a/b')
    assert.equal(await store.get('a/b'), undefined)
    assert.equal(await store.head('a/b'), undefined)
    assert.deepEqual(await store.list(''), [])
    await store.delete('a/b')
  })

  test(`${name}: lists what begins so, in order, and nothing else`, async (t) => {
    const store = await make(t)
    for (const key of ['b/2', 'a/b/2', 'a/b/1', 'a/bc', 'a.b']) await store.put(key, inPieces(Buffer.from(key)))
    const keys = async (prefix: string) => (await store.list(prefix)).map(({ key }) => key)
    assert.deepEqual(await keys(''), ['a.b', 'a/b/1', 'a/b/2', 'a/bc', 'b/2'])
    assert.deepEqual(await keys('a/'), ['a/b/1', 'a/b/2', 'a/bc'])
    assert.deepEqual(await keys('a/b'), ['a/b/1', 'a/b/2', 'a/bc'])
    assert.deepEqual(await keys('a/b/'), ['a/b/1', 'a/b/2'])
    assert.deepEqual(await keys('nobody/'), [])
    assert.deepEqual(
      (await store.list('a/bc')).map(({ bytes }) => bytes),
      [4],
    )
  })

  test(`${name}: a stream that fails in the middle leaves what was there, and nothing of its own`, async (t) => {
    const store = await make(t)
    await store.put('a/kept', inPieces(Buffer.from('before')))
    const broken = new ClosedError('The source is gone.')
    await assert.rejects(store.put('a/kept', breaking(broken)), broken)
    await assert.rejects(store.put('a/new', breaking(broken)), broken)
    assert.equal(String(await bytesOf(await store.get('a/kept'))), 'before')
    assert.deepEqual(
      (await store.list('')).map(({ key }) => key),
      ['a/kept'],
    )
  })

  test(`${name}: a put that is cancelled leaves nothing`, async (t) => {
    const store = await make(t)
    const stopper = new AbortController()
    async function* body(): AsyncGenerator<Uint8Array> {
      yield randomBytes(100)
      stopper.abort()
      yield randomBytes(100)
    }
    await assert.rejects(store.put('a/b', body(), { signal: stopper.signal }), AbortedError)
    assert.deepEqual(await store.list(''), [])
  })

  test(`${name}: has no object of a key that is hostile`, async (t) => {
    const store = await make(t)
    for (const key of hostileKeys) {
      await assert.rejects(store.put(key, inPieces(Buffer.from('x'))), InvalidInputError, JSON.stringify(key))
      await assert.rejects(store.get(key), InvalidInputError, JSON.stringify(key))
      await assert.rejects(store.head(key), InvalidInputError, JSON.stringify(key))
      await assert.rejects(store.delete(key), InvalidInputError, JSON.stringify(key))
    }
    await assert.rejects(store.list('../'), InvalidInputError)
  })
}

/** A stream of these bytes. */
export async function* inPieces(content: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.byteLength; at += size) yield content.subarray(at, at + size)
}

export async function bytesOf(stream: ByteStream | undefined): Promise<Buffer | undefined> {
  if (stream === undefined) return undefined
  const pieces: Uint8Array[] = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function* breaking(error: unknown): AsyncGenerator<Uint8Array> {
  yield randomBytes(100_000)
  throw error
}
