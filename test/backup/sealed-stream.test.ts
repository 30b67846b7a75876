import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { chunkBytes, seal, unseal } from '../../src/backup/sealed-stream.ts'
import { BackupInvalidError } from '../../src/errors.ts'
import { bytesOf, inPieces } from '../objects/object-store-conformance.ts'

const key = randomBytes(32)
const context = 'acme/backup-1/notes'
const headerBytes = 20
const sealedChunk = chunkBytes + 16

async function sealed(content: Buffer, over: { readonly key?: Buffer; readonly context?: string } = {}): Promise<Buffer> {
  return (await bytesOf(seal({ key, context, ...over }, inPieces(content, 100_003))))!
}

async function opened(stream: Uint8Array, over: { readonly key?: Buffer; readonly context?: string } = {}): Promise<Buffer> {
  return (await bytesOf(unseal({ key, context, ...over }, inPieces(stream, 99_991))))!
}

describe('a sealed stream', () => {
  test('opens to what was sealed, at every length around a chunk', async () => {
    for (const bytes of [0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 2 * chunkBytes, 3 * chunkBytes + 17]) {
      const content = randomBytes(bytes)
      assert.ok((await opened(await sealed(content))).equals(content), `${bytes} bytes`)
    }
  })

  test('is never the same twice, and shows nothing of what is in it', async () => {
    const content = Buffer.from('the same words')
    const [one, two] = [await sealed(content), await sealed(content)]
    assert.ok(!one.subarray(headerBytes).equals(two.subarray(headerBytes)))
    assert.ok(!one.includes('words'))
  })

  test('is refused when one bit of it is another, wherever that is', async () => {
    const stream = await sealed(randomBytes(chunkBytes + 50))
    for (const at of [
      0,
      4,
      headerBytes,
      headerBytes + 1_000,
      headerBytes + sealedChunk - 1,
      headerBytes + sealedChunk,
      stream.length - 1,
    ]) {
      const changed = Buffer.from(stream)
      changed[at]! ^= 1
      await assert.rejects(opened(changed), BackupInvalidError, `byte ${at}`)
    }
  })

  test('is refused when it is cut off, also between two chunks', async () => {
    const stream = await sealed(randomBytes(3 * chunkBytes))
    const lengths = [0, 3, headerBytes, headerBytes + 5, headerBytes + sealedChunk, headerBytes + 2 * sealedChunk, stream.length - 1]
    for (const length of lengths) await assert.rejects(opened(stream.subarray(0, length)), BackupInvalidError, `${length} bytes`)
  })

  test('is refused when something is added', async () => {
    const stream = await sealed(randomBytes(10))
    await assert.rejects(opened(Buffer.concat([stream, Buffer.alloc(1)])), BackupInvalidError)
    await assert.rejects(opened(Buffer.concat([stream, stream.subarray(headerBytes)])), BackupInvalidError)
  })

  test('is refused when its chunks have changed places, one is doubled, or one is missing', async () => {
    const stream = await sealed(randomBytes(4 * chunkBytes))
    const header = stream.subarray(0, headerBytes)
    const chunk = (n: number): Buffer => stream.subarray(headerBytes + n * sealedChunk, headerBytes + (n + 1) * sealedChunk)
    assert.ok(await opened(Buffer.concat([header, chunk(0), chunk(1), chunk(2), chunk(3)])))
    for (const order of [
      [1, 0, 2, 3],
      [0, 0, 2, 3],
      [0, 1, 3],
      [0, 1, 1, 2, 3],
    ]) {
      await assert.rejects(opened(Buffer.concat([header, ...order.map(chunk)])), BackupInvalidError, String(order))
    }
  })

  test('takes no chunk of another stream that was sealed with the same key for the same place', async () => {
    const [one, two] = [await sealed(randomBytes(2 * chunkBytes)), await sealed(randomBytes(2 * chunkBytes))]
    const mixed = Buffer.concat([one.subarray(0, headerBytes + sealedChunk), two.subarray(headerBytes + sealedChunk)])
    await assert.rejects(opened(mixed), BackupInvalidError)
  })

  test('opens with its own key and in its own place alone', async () => {
    const stream = await sealed(Buffer.from('rows of acme'))
    await assert.rejects(opened(stream, { key: randomBytes(32) }), BackupInvalidError)
    for (const other of ['acme/backup-2/notes', 'globex/backup-1/notes', 'acme/backup-1/users']) {
      await assert.rejects(opened(stream, { context: other }), BackupInvalidError)
    }
  })

  test('hands out nothing of a chunk before that chunk is proved', async () => {
    const stream = await sealed(randomBytes(2 * chunkBytes))
    stream[stream.length - 1]! ^= 1
    let bytes = 0
    await assert.rejects(async () => {
      for await (const piece of unseal({ key, context }, inPieces(stream))) bytes += piece.byteLength
    }, BackupInvalidError)
    assert.equal(bytes, chunkBytes)
  })
})
