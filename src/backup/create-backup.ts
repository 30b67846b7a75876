// Makes a backup: a snapshot of the tenant's rows, table by table into the store, and the manifest last. Killed at any point it leaves
// objects without a manifest, which are no backup; pruning takes them away.

import { randomBytes } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import type { Tenant, TenantRef } from '../core/tenant.ts'
import { BackupInvalidError } from '../errors.ts'
import { type BackupKey, ensureBackupKey, findBackupKey } from './backup-key.ts'
import { textStream } from './backup-listing.ts'
import { manifestKey, objectKey, sealOf, writeRows } from './backup-object.ts'
import { type BackupParts, checkedConcurrency, eachOf, livingTenant, placedTenant, type WorkOptions } from './backup-parts.ts'
import { type BackedTable, type BackedTenant, type BackupKind, type BackupManifest, backupFormat, manifestText } from './manifest.ts'
import type { SnapshotTable, TenantSnapshot } from './row-source.ts'

export interface CreateOptions extends WorkOptions {
  readonly kind?: BackupKind | undefined
  /**
   * The URL of another server to read from, with its database: one on which a base backup and the log were recovered to a moment. Its
   * roles and databases are those of the tenant's own server at that moment.
   */
  readonly from?: string | undefined
}

interface Making {
  readonly id: string
  readonly tenant: Tenant
  readonly key: BackupKey
  readonly dataKey: Buffer
}

/** @returns the manifest of what is in the store now. */
export async function createBackup(parts: BackupParts, ref: TenantRef, options: CreateOptions): Promise<BackupManifest> {
  const tenant = await livingTenant(parts, ref)
  const concurrency = checkedConcurrency(options)
  const making: Making = {
    id: uuidv7({ msecs: parts.clock.now() }),
    tenant,
    key: await ensureBackupKey(parts.secrets, tenant.id),
    dataKey: randomBytes(32),
  }
  const createdAt = new Date(parts.clock.now()).toISOString()
  try {
    const { signal, from } = options
    const manifest = await parts.rows.snapshot(placedTenant(tenant), { concurrency, signal, from }, async (snapshot) => {
      const tables = await writeTables(parts, making, snapshot, { ...options, concurrency })
      return manifestOf(parts, making, {
        snapshot,
        tables,
        createdAt,
        kind: options.kind ?? (from === undefined ? 'manual' : 'point in time'),
      })
    })
    await assertStillOurs(parts, making)
    await parts.store.put(manifestKey(manifest), textStream(manifestText({ manifest, dataKey: making.dataKey }, making.key)), { signal })
    return manifest
  } catch (error) {
    await removeRemains(parts, making)
    throw error
  }
}

async function writeTables(
  parts: BackupParts,
  making: Making,
  snapshot: TenantSnapshot,
  options: CreateOptions & { readonly concurrency: number },
): Promise<readonly BackedTable[]> {
  let tablesDone = 0
  const numbered = snapshot.tables.map((table, index) => ({ table, object: `${String(index + 1).padStart(4, '0')}.rows` }))
  return await eachOf(numbered, options, async ({ table, object }, signal) => {
    const tell = (bytes: number): void => options.onProgress?.({ table: table.table, bytes, tablesDone, tables: numbered.length })
    const written = await writeTable(parts, making, { table, object }, { signal, onBytes: tell })
    tablesDone += 1
    tell(written.bytes)
    return written
  })
}

async function writeTable(
  { store }: BackupParts,
  { id, tenant, dataKey }: Making,
  { table, object }: { readonly table: SnapshotTable; readonly object: string },
  options: { readonly signal: AbortSignal; readonly onBytes: (bytes: number) => void },
): Promise<BackedTable> {
  const { table: name, columns, tenantColumn, tenantType } = table
  const place = sealOf(dataKey, { tenantId: tenant.id, backupId: id, table: name })
  const key = objectKey({ tenantId: tenant.id, id }, object)
  const { digest, rows } = await table.digest()
  const written = await writeRows(store, { key, place, rows: table.rows(options.signal) }, options)
  if (written.rows !== rows) {
    throw new BackupInvalidError(`${written.rows} rows of ${name} were read, and ${rows} counted at the same moment. Nothing was kept.`)
  }
  return { name, columns, tenantColumn, tenantType, ...written, object, digest }
}

function manifestOf(
  { clock, partywall }: BackupParts,
  { id, tenant, key }: Making,
  {
    snapshot,
    tables,
    createdAt,
    kind,
  }: {
    readonly snapshot: TenantSnapshot
    readonly tables: readonly BackedTable[]
    readonly createdAt: string
    readonly kind: BackupKind
  },
): BackupManifest {
  return {
    format: backupFormat,
    id,
    tenantId: tenant.id,
    createdAt,
    finishedAt: new Date(clock.now()).toISOString(),
    kind,
    partywall,
    postgres: snapshot.postgres,
    version: snapshot.version,
    snapshot: { at: snapshot.at.toISOString(), lsn: snapshot.lsn },
    compression: 'zstd',
    encryption: 'aes-256-gcm',
    keyId: key.id,
    tables,
    tenant: backedTenant(tenant),
  }
}

function backedTenant({ slug, name, plan, region, placement, keys, ownFeatures, settings }: Tenant): BackedTenant {
  return { slug, name, plan, region, isolation: placement.isolation, keys, features: ownFeatures, settings }
}

/** Meanwhile the tenant may have been off-boarded, and its key deleted; or another process made a key at the same moment as we. */
async function assertStillOurs(parts: BackupParts, { tenant, key }: Making): Promise<void> {
  await livingTenant(parts, tenant.id)
  const now = await findBackupKey(parts.secrets, tenant.id)
  if (now?.id !== key.id)
    throw new BackupInvalidError('The tenant’s backup key became another one meanwhile. Nothing was kept: repeat the backup.')
}

/** The manifest may be there, if only the answer was lost: it goes first. What cannot be removed now is removed by pruning. */
async function removeRemains({ store }: BackupParts, { id, tenant }: Making): Promise<void> {
  const place = { tenantId: tenant.id, id }
  try {
    await store.delete(manifestKey(place))
    for (const { key } of await store.list(`${tenant.id}/${id}/`)) await store.delete(key)
  } catch {
    // What went wrong before is what is told.
  }
}
