// The rows of a backup, loaded into the tables of a tenant that has none yet.

import type { PlacedTenant } from '../core/placement-adapter.ts'
import { parseTenantId } from '../core/tenant.ts'
import { BackupInvalidError, InvalidInputError } from '../errors.ts'
import type { Filled, FillOptions, Replaced, TenantFiller } from '../operations/tenant-filler.ts'
import type { BackupParts } from './backup-parts.ts'
import { createBackup } from './create-backup.ts'
import { type BackupPlace, openBackup } from './open-backup.ts'

type Parts = BackupParts

/** Fills tenants from backups, which are named as `<tenant id>/<backup id>`. */
export function backupFiller(parts: Parts): TenantFiller {
  return {
    check: async (contents) => void (await openBackup(parts, placeNamed(contents))),
    fill: async (tenant, contents, options) => await restoreRows(parts, placeNamed(contents), tenant, options),
    replace: async (tenant, contents, options) => await replaceRows(parts, placeNamed(contents), tenant, options),
    release: async (tenant) => await parts.rows.release(tenant),
  }
}

/** What an onboarding remembers of a backup. */
export function nameOfPlace({ tenantId, id }: BackupPlace): string {
  return `${tenantId}/${id}`
}

function placeNamed(text: string): BackupPlace {
  const [tenantId, id, ...others] = text.split('/')
  if (id === undefined || id === '' || others.length > 0) throw new InvalidInputError('A backup is named <tenant id>/<backup id>.')
  return { tenantId: parseTenantId(tenantId), id }
}

async function restoreRows(parts: Parts, place: BackupPlace, tenant: PlacedTenant, { signal, onProgress }: FillOptions): Promise<Filled> {
  const { manifest, tables } = await openBackup(parts, place)
  const of = { id: manifest.tenantId, keys: manifest.tenant.keys }
  const expected = new Map(manifest.tables.map(({ name, rows }) => [name, rows]))
  let total = 0
  const onTable = ({ table, rows }: { readonly table: string; readonly rows: number }): void => {
    // Thrown in the load's transaction: nothing of it stays.
    if (rows !== expected.get(table)) {
      throw new BackupInvalidError(`${rows} rows of ${table} came out of the backup; there were ${expected.get(table)}.`)
    }
    total += rows
    onProgress?.(`${table}: ${rows} rows restored`)
  }
  await parts.rows.load(tenant, tables, { of, signal, onTable, rechains: of.id !== tenant.id })
  return { tables: tables.length, rows: total }
}

/** The backup of what was there is whole before anything of it is deleted: without it nothing is replaced. */
async function replaceRows(parts: Parts, place: BackupPlace, tenant: PlacedTenant, { signal, onProgress }: FillOptions): Promise<Replaced> {
  const { manifest, tables } = await openBackup(parts, place)
  const of = { id: manifest.tenantId, keys: manifest.tenant.keys }
  let safety = ''
  const whileNobodyWrites = async (): Promise<void> => {
    const { id } = await createBackup(parts, tenant.id, { kind: 'safety', signal })
    safety = nameOfPlace({ tenantId: tenant.id, id })
    onProgress?.(`what was there is backed up as ${safety}`)
  }
  const written = await parts.rows.replace(tenant, tables, { of, whileNobodyWrites, signal })
  return { safety, tables: written.map(({ table, inserted, deleted }) => ({ table, inserted, deleted })) }
}
