// What a backup is, in one JSON object: `<tenant id>/<backup id>/manifest.json`. It is written last, so that a backup without one is
// none. What an operator may see without the tenant's key stands in the clear; what says something of the tenant is sealed. The seal
// authenticates all of it: a manifest in which anything was changed is refused.

import type { Isolation } from '../core/placement.ts'
import { type Json, parseTenantId, type TenantId, type TenantKeys } from '../core/tenant.ts'
import type { TenantKeyType } from '../core/tenant-key.ts'
import { BackupInvalidError } from '../errors.ts'
import { type BackupKey, unwrap, wrap } from './backup-key.ts'

/** Grows when an older partywall could not read what is written. */
export const backupFormat = 1

/** A table in a backup: one object, its rows as PostgreSQL's COPY writes them in text, zstd, sealed. */
export interface BackedTable {
  /** Without its schema. */
  readonly name: string
  /** Of the rows as they are stored, in their order: all but those that PostgreSQL computes. */
  readonly columns: readonly string[]
  /** The one of them that says whose a row is, and its type. */
  readonly tenantColumn: string
  readonly tenantType: TenantKeyType
  readonly rows: number
  /** Before compression. */
  readonly bytes: number
  /** The last segment of the object's key. */
  readonly object: string
  /** Of the object as it is stored. */
  readonly storedBytes: number
  /** Of the object as it is stored, in hexadecimal digits. */
  readonly sha256: string
  /** Of the rows, whatever their order, wherever they are: see postgres/copy/table-digest.ts. */
  readonly digest: string
}

/** The tenant, as far as a restore needs it. */
export interface BackedTenant {
  readonly slug: string
  readonly name: string
  readonly plan: string
  readonly region: string
  readonly isolation: Isolation
  readonly keys: TenantKeys
  readonly features: Readonly<Record<string, Json>>
  readonly settings: Readonly<Record<string, Json>>
}

export interface BackupManifest {
  readonly format: typeof backupFormat
  readonly id: string
  readonly tenantId: TenantId
  /** When it was begun, as ISO 8601. */
  readonly createdAt: string
  readonly finishedAt: string
  /** Why it was made: `manual`, `scheduled`, `safety` (before a swap), `point in time`. */
  readonly kind: BackupKind
  readonly partywall: string
  readonly postgres: string
  /** The newest migration where the rows were read. */
  readonly version: string | undefined
  readonly snapshot: {
    /** The moment whose rows these are, by the server's clock. */
    readonly at: string
    /** The end of the server's log a moment before; undefined where the server does not say. */
    readonly lsn: string | undefined
  }
  readonly compression: 'zstd'
  readonly encryption: 'aes-256-gcm'
  /** Which of the tenant's backup keys opens it. */
  readonly keyId: string
  readonly tables: readonly BackedTable[]
  readonly tenant: BackedTenant
}

export type BackupKind = 'manual' | 'scheduled' | 'safety' | 'point in time'

/** A manifest, with the key of its objects. */
export interface OpenedManifest {
  readonly manifest: BackupManifest
  readonly dataKey: Buffer
}

/** What can be read without a key. None of it is to be believed before the manifest was opened. */
export type ManifestFace = Omit<BackupManifest, 'tenant' | 'tables'> & { readonly tables: readonly Omit<BackedTable, 'digest'>[] }

interface Sealed {
  readonly tenant: BackedTenant
  readonly digests: readonly string[]
  readonly dataKey: string
}

/** A manifest is never so long: tables with all their columns, ten thousand of them. */
const manifestBytesMax = 32 * 1024 * 1024

export function manifestText({ manifest, dataKey }: OpenedManifest, key: BackupKey): string {
  const { tenant, tables, ...rest } = manifest
  const face: ManifestFace = { ...rest, tables: tables.map(({ digest: _, ...table }) => table) }
  const clear = canonical(face)
  const sealed: Sealed = { tenant, digests: tables.map(({ digest }) => digest), dataKey: wrap(key.wrapping, dataKey, placeOf(manifest)) }
  return `${canonical({ ...JSON.parse(clear), sealed: wrap(key.manifest, Buffer.from(JSON.stringify(sealed)), clear) })}\n`
}

/**
 * Reads a manifest and the key of its objects.
 *
 * @throws {BackupInvalidError} when it is another tenant's or another backup's, was changed, needs another key, or is newer than this
 * partywall.
 */
export function openManifest(text: string, expected: { readonly tenantId: TenantId; readonly id: string }, key: BackupKey): OpenedManifest {
  const { face, clear, sealed } = parsed(text)
  if (face.tenantId !== expected.tenantId || face.id !== expected.id) {
    throw new BackupInvalidError(`The manifest is of backup ${face.id}, and lies where that of ${expected.id} should be.`)
  }
  if (face.keyId !== key.id) {
    throw new BackupInvalidError(`Backup ${face.id} was sealed with key ${face.keyId}, and the tenant's key is ${key.id}.`)
  }
  const { tenant, digests, dataKey } = JSON.parse(unwrap(key.manifest, sealed, clear).toString()) as Sealed
  const tables = face.tables.map((table, index) => ({ ...table, digest: digests[index] ?? '' }))
  return { manifest: { ...face, tables, tenant }, dataKey: unwrap(key.wrapping, dataKey, placeOf(face)) }
}

/** What stands in a manifest in the clear. @throws {BackupInvalidError} when it is no manifest, or one of a newer format. */
export function manifestFace(text: string): ManifestFace {
  return parsed(text).face
}

function parsed(text: string): { readonly face: ManifestFace; readonly clear: string; readonly sealed: string } {
  if (text.length > manifestBytesMax) throw new BackupInvalidError('A manifest is not so long.')
  const { sealed, ...face } = objectOf(text)
  if (face['format'] !== backupFormat) {
    throw new BackupInvalidError(
      `The backup has format ${String(face['format']).slice(0, 20)}, and this partywall reads ${backupFormat}. Use a newer one.`,
    )
  }
  if (typeof sealed !== 'string' || typeof face['id'] !== 'string' || !Array.isArray(face['tables'])) {
    throw new BackupInvalidError('The manifest lacks what every manifest has.')
  }
  parseTenantId(face['tenantId'])
  return { face: face as unknown as ManifestFace, clear: canonical(face), sealed }
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch (cause) {
    throw new BackupInvalidError('The manifest is not JSON.', { cause })
  }
  throw new BackupInvalidError('The manifest is not an object.')
}

/** The text that is authenticated. Keys keep the order in which they were written, so that reading and writing give the same. */
function canonical(value: object): string {
  return JSON.stringify(value, null, 2)
}

/** What the key of a backup is bound to. */
function placeOf({ tenantId, id }: { readonly tenantId: string; readonly id: string }): string {
  return `${tenantId}/${id}`
}
