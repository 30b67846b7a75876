// A table as files know it: the tenant's own columns, by what they hold, without the column that says whose a row is.

/** What a column holds, as far as a file format has to know. `other` is whatever PostgreSQL alone can read: ranges, composites, geometry. */
export type ColumnKind =
  | 'uuid'
  | 'text'
  | 'boolean'
  | 'integer'
  | 'bigint'
  | 'numeric'
  | 'float'
  | 'date'
  | 'time'
  | 'timestamp'
  | 'timestamptz'
  | 'interval'
  | 'bytes'
  | 'json'
  | 'array'
  | 'other'

export interface PortableColumn {
  readonly name: string
  /** As PostgreSQL spells it, with its length or precision: `numeric(12,2)`. */
  readonly type: string
  readonly kind: ColumnKind
  readonly isNullable: boolean
  /** Has PostgreSQL a value for a row that has none? */
  readonly hasDefault: boolean
  /** Longest text, in characters. */
  readonly lengthMax?: number | undefined
  /** Of a numeric that is bounded: its digits, and how many of them are behind the point. */
  readonly precision?: number | undefined
  readonly scale?: number | undefined
  /** What an enum may be. */
  readonly choices?: readonly string[] | undefined
}

/** A foreign key between tables of the tenant, or out to one that is the same for all. Without the tenant's column on either side. */
export interface PortableReference {
  readonly columns: readonly string[]
  /** The name of the table that is referred to. */
  readonly to: string
  readonly referenced: readonly string[]
}

export interface PortableTable {
  /** Without a schema: that depends on where the tenant lives. */
  readonly name: string
  readonly columns: readonly PortableColumn[]
  /** The primary key, without the tenant's column. */
  readonly key: readonly string[]
  readonly references: readonly PortableReference[]
}

/**
 * One row: a text for each column of its table, or null. The text is PostgreSQL's own, but for what another program could not read:
 * dates and times are ISO 8601 in UTC, bytes are base64, arrays are JSON.
 */
export type RowTexts = readonly (string | null)[]

/** File formats. */
export const exportFormats = ['jsonl', 'csv', 'parquet'] as const
export type ExportFormat = (typeof exportFormats)[number]
