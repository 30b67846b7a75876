// One table of a backup on its way into the store and out of it: rows ─ zstd ─ seal ─ store. Every stage is a stream with bounds of its
// own, so that memory is the same for ten rows and for ten billion.

import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { BackupInvalidError, BackupNotFoundError, TenancyError } from '../errors.ts'
import type { ByteStream, ObjectStore } from '../objects/object-store.ts'
import type { BackedTable, BackupManifest } from './manifest.ts'
import { type Seal, seal, unseal } from './sealed-stream.ts'

/** Whose object it is, and of which backup. */
export interface ObjectPlace {
  readonly tenantId: string
  readonly backupId: string
  readonly table: string
}

/** zstd's own default is 3: a tenant's rows come out as small with 3 as with 6, in half the time. */
const compressionLevel = 3

export function objectKey({ tenantId, id }: Pick<BackupManifest, 'tenantId' | 'id'>, object: string): string {
  return `${tenantId}/${id}/${object}`
}

export function manifestKey(manifest: Pick<BackupManifest, 'tenantId' | 'id'>): string {
  return objectKey(manifest, 'manifest.json')
}

/** Writes a table's rows as one object. @returns what the manifest has to say of it. */
export async function writeRows(
  store: ObjectStore,
  { key, place, rows }: { readonly key: string; readonly place: Seal; readonly rows: ByteStream },
  options: { readonly signal?: AbortSignal | undefined; readonly onBytes?: ((bytes: number) => void) | undefined } = {},
): Promise<Pick<BackedTable, 'rows' | 'bytes' | 'storedBytes' | 'sha256'>> {
  const counted = { rows: 0, bytes: 0, storedBytes: 0 }
  const hash = createHash('sha256')
  const plain = tapped(rows, (piece) => {
    counted.rows += linesIn(piece)
    counted.bytes += piece.byteLength
    options.onBytes?.(counted.bytes)
  })
  const sealed = tapped(seal(place, compressed(plain)), (piece) => {
    hash.update(piece)
    counted.storedBytes += piece.byteLength
  })
  await store.put(key, sealed, { signal: options.signal })
  return { ...counted, sha256: hash.digest('hex') }
}

/**
 * The rows of a table as they were written.
 *
 * @throws {BackupNotFoundError} {@link BackupInvalidError} from the stream, when the object is gone or is not what was written. What came
 * before that is what was written.
 */
export async function* readRows(
  store: ObjectStore,
  { key, place, table }: { readonly key: string; readonly place: Seal; readonly table: BackedTable },
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const object = await store.get(key, { signal })
  if (object === undefined) throw new BackupNotFoundError(`The backup has lost the rows of ${table.name}: there is no object ${key}.`)
  let bytes = 0
  for await (const piece of decompressed(unseal(place, checked(object, table)))) {
    bytes += piece.byteLength
    yield piece
  }
  if (bytes !== table.bytes)
    throw new BackupInvalidError(`The rows of ${table.name} have ${bytes} bytes; the manifest says ${table.bytes}.`)
}

/** What a sealed object of a table is bound to. */
export function sealOf(dataKey: Buffer, { tenantId, backupId, table }: ObjectPlace): Seal {
  return { key: dataKey, context: JSON.stringify(['partywall backup 1', tenantId, backupId, table]) }
}

async function* checked(object: ByteStream, { name, sha256, storedBytes }: BackedTable): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const piece of object) {
    hash.update(piece)
    bytes += piece.byteLength
    yield piece
  }
  if (bytes === storedBytes && hash.digest('hex') === sha256) return
  throw new BackupInvalidError(
    `The object of ${name} is not the one that the manifest names: ${bytes} bytes instead of ${storedBytes}, or others.`,
  )
}

async function* compressed(plain: ByteStream): AsyncGenerator<Uint8Array> {
  yield* through(plain, createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: compressionLevel } }))
}

async function* decompressed(packed: ByteStream): AsyncGenerator<Uint8Array> {
  try {
    yield* through(packed, createZstdDecompress())
  } catch (error) {
    if (error instanceof TenancyError) throw error
    throw new BackupInvalidError('The rows of a backup cannot be decompressed.', { cause: error })
  }
}

/** Who stops reading stops the writing; who fails to write fails the reading, with the same error. */
async function* through(source: ByteStream, stage: NodeJS.ReadWriteStream & AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  const feeding = pipeline(Readable.from(source, { objectMode: false }), stage)
  // It is awaited below; until then nobody must take its failure for one that nobody minds.
  feeding.catch(() => {})
  for await (const piece of stage) yield piece as Uint8Array
  await feeding
}

async function* tapped(stream: ByteStream, tap: (piece: Uint8Array) => void): AsyncGenerator<Uint8Array> {
  for await (const piece of stream) {
    tap(piece)
    yield piece
  }
}

/** COPY escapes line breaks within values: each that is there ends a row. */
function linesIn(piece: Uint8Array): number {
  let lines = 0
  for (let at = piece.indexOf(10); at !== -1; at = piece.indexOf(10, at + 1)) lines += 1
  return lines
}
