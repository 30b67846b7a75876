// Seals a stream of bytes: AES-256-GCM in chunks, so that memory is bounded and nothing is handed out before it is authenticated.
//
//   magic 'PWS1' ‖ salt (16) ‖ chunk, chunk, …         chunk = ciphertext (262,144 bytes; the last one 0 to 262,144) ‖ tag (16)
//
// This is the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
// Misuse-Resistance, 2015): a chunk's nonce is its number and whether it is the last. So a chunk that was changed, taken away,
// doubled or put elsewhere is refused, and so is a stream that ends early. The key of each stream is derived from a fresh salt; the
// context, e.g. whose backup and which table, is bound by both the key and each chunk: a stream opens in its own place alone.

import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import { BackupInvalidError } from '../errors.ts'
import type { ByteStream } from '../objects/object-store.ts'

const magic = Buffer.from('PWS1')
const saltBytes = 16
const tagBytes = 16
/** Bytes of plaintext in a chunk. */
export const chunkBytes = 262_144
/** The number of a chunk has 32 bits in the nonce: 1 PiB. */
const chunksMax = 2 ** 32

export interface Seal {
  /** 32 bytes. */
  readonly key: Buffer
  /** What the stream is, in one spelling. */
  readonly context: string
}

/** Encrypts. The same plaintext gives another stream each time. */
export async function* seal({ key, context }: Seal, plain: ByteStream): AsyncGenerator<Uint8Array> {
  const salt = randomBytes(saltBytes)
  yield Buffer.concat([magic, salt])
  const stream = { key: streamKey(key, salt, context), aad: Buffer.from(context) }
  let number = 0
  // A chunk is written when it is known whether another one comes.
  let held: Buffer | undefined
  for await (const chunk of inChunks(plain, chunkBytes)) {
    if (held !== undefined) yield sealChunk(stream, held, number++, false)
    held = chunk
  }
  yield sealChunk(stream, held ?? Buffer.alloc(0), number, true)
}

/**
 * Decrypts what {@link seal} made with the same key and context.
 *
 * @throws {BackupInvalidError} from the stream, before the first byte that is not what was sealed.
 */
export async function* unseal({ key, context }: Seal, sealed: ByteStream): AsyncGenerator<Uint8Array> {
  const headerBytes = magic.byteLength + saltBytes
  let stream: StreamKey | undefined
  let held: Buffer | undefined
  let number = 0
  for await (const piece of inChunks(
    withoutHeader(sealed, headerBytes, (header) => (stream = opened(header, key, context))),
    chunkBytes + tagBytes,
  )) {
    if (held !== undefined) yield unsealChunk(stream!, held, number++, false)
    held = piece
  }
  if (stream === undefined || held === undefined) throw refused('it ends before its content begins')
  yield unsealChunk(stream, held, number, true)
}

interface StreamKey {
  readonly key: Buffer
  readonly aad: Buffer
}

function opened(header: Buffer, key: Buffer, context: string): StreamKey {
  if (!header.subarray(0, magic.byteLength).equals(magic)) throw refused('it does not begin as a sealed stream does')
  return { key: streamKey(key, header.subarray(magic.byteLength), context), aad: Buffer.from(context) }
}

function streamKey(key: Buffer, salt: Uint8Array, context: string): Buffer {
  const place = createHash('sha256').update(context).digest('hex')
  return Buffer.from(hkdfSync('sha256', key, salt, `partywall sealed stream ${place}`, 32))
}

function nonceOf(number: number, isLast: boolean): Buffer {
  if (number >= chunksMax) throw refused('it has more chunks than can be')
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32BE(number, 7)
  nonce.writeUInt8(isLast ? 1 : 0, 11)
  return nonce
}

function sealChunk({ key, aad }: StreamKey, plain: Buffer, number: number, isLast: boolean): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number, isLast))
  cipher.setAAD(aad)
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

function unsealChunk({ key, aad }: StreamKey, sealed: Buffer, number: number, isLast: boolean): Buffer {
  if (sealed.byteLength < tagBytes) throw refused(`chunk ${number} is cut off`)
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number, isLast), { authTagLength: tagBytes })
  decipher.setAAD(aad)
  decipher.setAuthTag(sealed.subarray(-tagBytes))
  const plain = decipher.update(sealed.subarray(0, -tagBytes))
  try {
    decipher.final()
  } catch (cause) {
    throw refused(`chunk ${number} was changed, moved or cut off, or belongs to something else`, cause)
  }
  return plain
}

/** The first bytes go to `onHeader`; the rest is passed on. A stream that is shorter than its header passes on nothing. */
async function* withoutHeader(stream: ByteStream, bytes: number, onHeader: (header: Buffer) => void): AsyncGenerator<Uint8Array> {
  let header = Buffer.alloc(0)
  for await (const piece of stream) {
    if (header.byteLength === bytes) {
      yield piece
      continue
    }
    const missing = bytes - header.byteLength
    header = Buffer.concat([header, piece.subarray(0, missing)])
    if (header.byteLength < bytes) continue
    onHeader(header)
    if (piece.byteLength > missing) yield piece.subarray(missing)
  }
}

/** Pieces of exactly `size` bytes; the last one may be shorter, and is never empty. */
async function* inChunks(stream: ByteStream, size: number): AsyncGenerator<Buffer> {
  let pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of stream) {
    pieces.push(piece)
    bytes += piece.byteLength
    if (bytes < size) continue
    const whole = Buffer.concat(pieces, bytes)
    let at = 0
    for (; at + size <= bytes; at += size) yield whole.subarray(at, at + size)
    // A copy: what was handed out must not keep the rest alive, nor the other way round.
    pieces = at < bytes ? [Buffer.from(whole.subarray(at))] : []
    bytes -= at
  }
  if (bytes > 0) yield Buffer.concat(pieces, bytes)
}

function refused(why: string, cause?: unknown): BackupInvalidError {
  return new BackupInvalidError(`A sealed object of the backup is not what was written: ${why}. Nothing of it is used.`, { cause })
}
