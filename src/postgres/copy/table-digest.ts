// What one tenant's rows of a table are, in one number: to say that two places hold the same.

import type { TenantKeyType } from '../../core/tenant-key.ts'
import { InternalError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import { quoted } from '../table-shape.ts'
import { fixTextForm } from './text-form.ts'

/** Rows of a table: all that the connection may see, or those of one tenant. */
export interface DigestedRows {
  /** `schema.table`, quoted, ready for SQL. */
  readonly sqlName: string
  /** What is compared, in any order. Leave out the tenant's column, so that a copy under another tenant can be the same. */
  readonly columns: readonly string[]
  /** Needed where policies do not hold for the connection: it would see everybody's rows. */
  readonly of?: TenantRows | undefined
}

/** @see DigestedRows */
export interface TenantRows {
  readonly tenantColumn: string
  readonly tenantType: TenantKeyType
  /** The tenant's key of that type. */
  readonly key: string
}

/** Equal digests: the same rows, whatever their order. */
export interface TableDigest {
  readonly rows: number
  /** A decimal number. The sum of 64 bits of hash for each row; not a seal against somebody who forges rows. */
  readonly checksum: string
}

/**
 * Digests rows. Row order, the columns' order and the server's settings play no part.
 *
 * @param connection One of a transaction: it sets how values become text until its end.
 */
export async function tableDigest(connection: ControlConnection, rows: DigestedRows): Promise<TableDigest> {
  await fixTextForm(connection)
  const { where, values } = whereOf(rows)
  const [row] = await connection.query<{ rows: string; checksum: string; zone: string }>(
    `select count(*)::text as rows, coalesce(sum(${rowHash(rows.columns)}), 0)::text as checksum, current_setting('TimeZone') as zone
       from ${rows.sqlName} as t${where}`,
    values,
  )
  // Outside a transaction the settings are gone already, and the number would be one of this session alone.
  if (row === undefined || row.zone !== 'UTC') throw new InternalError('A digest is taken within a transaction, where its settings hold.')
  return { rows: Number(row.rows), checksum: row.checksum }
}

/** SQL: 64 bits of a row `t`. A row as text tells null from empty, and where one value ends. */
export function rowHash(columns: readonly string[]): string {
  const sorted = [...columns].sort().map((column) => `t.${quoted(column)}`)
  return `hashtextextended((row(${sorted.join(', ')}))::text collate "C", 0)`
}

/** SQL: the rows of the one tenant. */
export function whereOf({ of }: DigestedRows): { readonly where: string; readonly values: readonly string[] } {
  if (of === undefined) return { where: '', values: [] }
  return { where: ` where t.${quoted(of.tenantColumn)} = $1::${of.tenantType}`, values: [of.key] }
}
