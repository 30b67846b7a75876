// What a live tenant has lost: found by comparing it with a backup, or with a tenant that was restored beside it, and brought back.

import type { Tenant } from '../core/tenant.ts'
import { InvalidInputError } from '../errors.ts'
import { type BackupParts, placedTenant } from './backup-parts.ts'
import { type BackupPlace, openBackup } from './open-backup.ts'
import type { MergeOptions, RowStream, TableDifference, WrittenTable } from './row-source.ts'
import { withScratchPlace } from './scratch-place.ts'

/** Whose rows are compared or brought back. */
export type RowsOf = { readonly kind: 'tenant'; readonly tenant: Tenant } | { readonly kind: 'backup'; readonly place: BackupPlace }

export interface DiffOptions {
  /** Only these, without their schema. Default: all. */
  readonly tables?: readonly string[] | undefined
  /** So many keys of each kind are told, at most. Default 20. */
  readonly keysMax?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface MergeIntoOptions {
  /** Only these, without their schema. Default: all. Rows that they refer to must be there, or come too. */
  readonly tables?: readonly string[] | undefined
  /** Of these tables only the rows with these keys (the primary key without the tenant, as text); of all others none. */
  readonly keys?: Readonly<Record<string, readonly (readonly string[])[]>> | undefined
  /** Rows whose key is there become those that come. Default: they stay as they are. */
  readonly overwrite?: boolean | undefined
  /** Does all of it, counts, and takes it back. */
  readonly dryRun?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

const keysMaxDefault = 20

export async function diffTenants(
  parts: BackupParts,
  live: Tenant,
  other: RowsOf,
  options: DiffOptions,
): Promise<readonly TableDifference[]> {
  const { tables, keysMax = keysMaxDefault, signal } = options
  const left = placedTenant(live)
  if (other.kind === 'tenant') return await parts.rows.compare(left, placedTenant(other.tenant), { tables, keysMax, signal })
  const { manifest, tables: streams } = await openBackup(parts, other.place)
  const { region, keys } = manifest.tenant
  return await withScratchPlace(parts, { region, keys, signal }, async (right) => {
    await parts.rows.load(right, streams, { of: { id: manifest.tenantId, keys }, signal })
    return await parts.rows.compare(left, right, { tables, keysMax, signal })
  })
}

export async function mergeInto(
  parts: BackupParts,
  live: Tenant,
  other: RowsOf,
  options: MergeIntoOptions,
): Promise<readonly WrittenTable[]> {
  const { keys, overwrite = false, dryRun, signal } = options
  const names = keys === undefined ? options.tables : Object.keys(keys)
  const merge = async (of: MergeOptions['of'], streams: readonly RowStream[]): Promise<readonly WrittenTable[]> =>
    await parts.rows.merge(placedTenant(live), chosen(streams, names), {
      of,
      mode: overwrite ? 'overwrite' : 'missing',
      keys: keys === undefined ? undefined : new Map(Object.entries(keys)),
      dryRun,
      signal,
    })
  if (other.kind === 'tenant') {
    if (other.tenant.id === live.id) throw new InvalidInputError('A tenant cannot be merged into itself.')
    return await parts.rows.snapshot(placedTenant(other.tenant), { concurrency: 1, signal }, ({ tables }) => merge(other.tenant, tables))
  }
  const { manifest, tables } = await openBackup(parts, other.place)
  return await merge({ id: manifest.tenantId, keys: manifest.tenant.keys }, tables)
}

function chosen(streams: readonly RowStream[], names: readonly string[] | undefined): readonly RowStream[] {
  if (names === undefined) return streams
  const missing = names.find((name) => !streams.some(({ table }) => table === name))
  if (missing !== undefined) {
    throw new InvalidInputError(
      `There are no rows of a table ${JSON.stringify(missing)}; there are ${streams.map(({ table }) => table).join(', ')}.`,
    )
  }
  return streams.filter(({ table }) => names.includes(table))
}
