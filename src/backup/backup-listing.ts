// Which backups a store holds, as far as can be told without a key. A backup is there when its manifest is.

import type { TenantId } from '../core/tenant.ts'
import { TenancyError } from '../errors.ts'
import type { ByteStream, ObjectStore, StoredObject } from '../objects/object-store.ts'
import { manifestKey, objectKey } from './backup-object.ts'
import { type BackupKind, type ManifestFace, manifestFace } from './manifest.ts'

/** A backup as it is listed. */
export interface Backup {
  readonly id: string
  readonly tenantId: TenantId
  readonly kind: BackupKind
  readonly createdAt: Date
  /** The moment whose rows these are. */
  readonly snapshotAt: Date
  readonly lsn: string | undefined
  /** The newest migration where the rows were read. */
  readonly version: string | undefined
  readonly postgres: string
  readonly tables: number
  readonly rows: number
  /** Before compression. */
  readonly bytes: number
  readonly storedBytes: number
  /** Everything that the manifest names is there, with its length. */
  readonly isWhole: boolean
  /** What the last verification found. */
  readonly verified: { readonly at: Date; readonly isGood: boolean; readonly isQuick: boolean } | undefined
}

/** What the store holds below one tenant, or below all. */
export interface Listing {
  /** The newest first. */
  readonly backups: readonly Backup[]
  /** Manifests that cannot be read. */
  readonly unreadable: readonly { readonly key: string; readonly problem: string }[]
  /** Of backups without a manifest: under way, or given up. */
  readonly unfinished: readonly { readonly tenantId: string; readonly id: string; readonly keys: readonly string[] }[]
}

/** The object in which the last verification is noted. */
export const verifiedObject = 'verified.json'

const smallMax = 40 * 1024 * 1024

export async function listBackups(store: ObjectStore, tenantId?: TenantId): Promise<Listing> {
  const groups = new Map<string, StoredObject[]>()
  for (const object of await store.list(tenantId === undefined ? '' : `${tenantId}/`)) {
    const [tenant, id, name, ...others] = object.key.split('/')
    if (tenant === undefined || id === undefined || name === undefined || others.length > 0) continue
    const place = `${tenant}/${id}`
    groups.set(place, [...(groups.get(place) ?? []), object])
  }
  const backups: Backup[] = []
  const unreadable: { key: string; problem: string }[] = []
  const unfinished: { tenantId: string; id: string; keys: readonly string[] }[] = []
  for (const [place, objects] of groups) {
    const [tenant, id] = place.split('/') as [TenantId, string]
    const key = manifestKey({ tenantId: tenant, id })
    if (!objects.some((object) => object.key === key)) {
      unfinished.push({ tenantId: tenant, id, keys: objects.map((object) => object.key) })
      continue
    }
    try {
      const listed = await readBackup(store, { tenantId: tenant, id }, objects)
      if (listed !== undefined) backups.push(listed)
    } catch (error) {
      if (!(error instanceof TenancyError) || error.retryable) throw error
      unreadable.push({ key, problem: error.message })
    }
  }
  return { backups: backups.sort(newestFirst), unreadable, unfinished }
}

function newestFirst(a: Backup, b: Backup): number {
  return b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : -1)
}

async function readBackup(
  store: ObjectStore,
  place: { readonly tenantId: TenantId; readonly id: string },
  objects: readonly StoredObject[],
): Promise<Backup | undefined> {
  const text = await readText(store, manifestKey(place))
  // Deleted since it was listed.
  if (text === undefined) return undefined
  const face = manifestFace(text)
  const lengths = new Map(objects.map(({ key, bytes }) => [key, bytes]))
  const isThere = ({ object, storedBytes }: ManifestFace['tables'][number]): boolean =>
    lengths.get(objectKey(place, object)) === storedBytes
  const sum = (field: 'rows' | 'bytes' | 'storedBytes'): number => face.tables.reduce((total, table) => total + table[field], 0)
  const noted = lengths.has(objectKey(place, verifiedObject)) ? await readText(store, objectKey(place, verifiedObject)) : undefined
  return {
    id: place.id,
    tenantId: place.tenantId,
    kind: face.kind,
    createdAt: new Date(face.createdAt),
    snapshotAt: new Date(face.snapshot.at),
    lsn: face.snapshot.lsn,
    version: face.version,
    postgres: face.postgres,
    tables: face.tables.length,
    rows: sum('rows'),
    bytes: sum('bytes'),
    storedBytes: sum('storedBytes'),
    isWhole: face.tables.every(isThere),
    verified: noted === undefined ? undefined : verification(noted),
  }
}

/** What somebody else wrote there counts for nothing. */
function verification(text: string): Backup['verified'] {
  try {
    const { at, isGood, isQuick } = JSON.parse(text) as Readonly<Record<string, unknown>>
    const date = new Date(String(at))
    if (Number.isNaN(date.getTime()) || typeof isGood !== 'boolean') return undefined
    return { at: date, isGood, isQuick: isQuick === true }
  } catch {
    return undefined
  }
}

/** A small object as text. @returns undefined when it is not there. */
export async function readText(store: ObjectStore, key: string): Promise<string | undefined> {
  const stream = await store.get(key)
  if (stream === undefined) return undefined
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of stream) {
    bytes += piece.byteLength
    if (bytes > smallMax) break
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

/** The stream of a small object. */
export async function* textStream(text: string): ByteStream & AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
