// How backups reach a tenant's rows. A port; src/postgres/backup/ has the adapter. Rows are text as PostgreSQL's COPY writes it, a
// line for each, the tenant's column among the others: whose rows they become is said where they are loaded.

import type { PlacedTenant } from '../core/placement-adapter.ts'
import type { KeyedTenant, TenantKeyType } from '../core/tenant-key.ts'
import type { ByteStream } from '../objects/object-store.ts'

/** A table's rows on their way: in which order its columns are, and the lines. */
export interface RowStream {
  /** Without its schema. */
  readonly table: string
  readonly columns: readonly string[]
  /** The one of them that says whose a row is, and its type. */
  readonly tenantColumn: string
  readonly tenantType: TenantKeyType
  /** May be asked for once. */
  rows(signal?: AbortSignal): ByteStream
}

/** A table as one moment shows it. */
export interface SnapshotTable extends RowStream {
  /** As the server's statistics have it, for progress. */
  readonly rowsEstimate: number
  /** Of the same moment as the rows. Independent of their order, of the tenant's id and of where they are. */
  digest(): Promise<TableDigest>
}

export interface TableDigest {
  readonly table: string
  readonly rows: number
  readonly digest: string
}

/** All rows of one tenant, as of one moment. */
export interface TenantSnapshot {
  readonly at: Date
  readonly lsn: string | undefined
  readonly postgres: string
  /** The newest migration there. */
  readonly version: string | undefined
  /** Those that others refer to first. Several may be read at a time. */
  readonly tables: readonly SnapshotTable[]
}

export interface SnapshotOptions {
  /** Tables that are read at a time, at most. */
  readonly concurrency: number
  readonly signal?: AbortSignal | undefined
  /** Another server than the tenant's own, e.g. one on which a base backup was recovered: its URL, with the database. */
  readonly from?: string | undefined
}

export interface LoadOptions {
  /** Whose rows they were. A row of anybody else is refused. */
  readonly of: KeyedTenant
  readonly signal?: AbortSignal | undefined
  /** A table's rows are there, and not yet committed. */
  readonly onTable?: ((loaded: { readonly table: string; readonly rows: number }) => void) | undefined
  /** Its audit log becomes the tenant's own, which it goes on with: the same entries, chained from its own id. Default: it stays as it was. */
  readonly rechains?: boolean | undefined
}

/** In what two tenants' rows of a table differ. Keys are as text, without the tenant. */
export interface TableDifference {
  readonly table: string
  /** The columns of the keys; undefined when the table has no primary key: its rows are counted only. */
  readonly key: readonly string[] | undefined
  readonly rows: { readonly left: number; readonly right: number }
  readonly onlyLeft: DifferingRows
  readonly onlyRight: DifferingRows
  /** Both have the key, and something else in the row. */
  readonly changed: DifferingRows
}

export interface DifferingRows {
  readonly count: number
  /** The first few. */
  readonly keys: readonly (readonly string[])[]
}

export interface CompareOptions {
  readonly tables?: readonly string[] | undefined
  readonly keysMax: number
  readonly signal?: AbortSignal | undefined
}

/** What was done to a table. */
export interface WrittenTable {
  readonly table: string
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

export interface MergeOptions {
  /** Whose rows they were. A row of anybody else is refused. */
  readonly of: KeyedTenant
  /** `missing`: what is there stays as it is. `overwrite`: rows whose key is there become those that come. */
  readonly mode: 'missing' | 'overwrite'
  /** Of these tables only the rows with these keys, as {@link TableDifference} has them. */
  readonly keys?: ReadonlyMap<string, readonly (readonly string[])[]> | undefined
  /** Does all of it, counts, and takes it back. */
  readonly dryRun?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ReplaceOptions {
  readonly of: KeyedTenant
  /** Called when no write of the tenant is under way and none can begin: what is read now is what is replaced. When it throws, nothing is. */
  readonly whileNobodyWrites: () => Promise<void>
  readonly signal?: AbortSignal | undefined
}

/** Reads and writes the rows of tenants in their placements. */
export interface TenantRows {
  /** The snapshot ends with `fn`. */
  snapshot<T>(tenant: PlacedTenant, options: SnapshotOptions, fn: (snapshot: TenantSnapshot) => Promise<T>): Promise<T>
  /**
   * Loads rows into a tenant's tables, with all constraints on, in one transaction: all of it is there, or nothing.
   *
   * @throws {ConfigurationError} when a table or a column is not there.
   * @throws {ConstraintError} when the rows are not what the tables take.
   * @throws {WrongTenantError} when a row is not that tenant's whose rows they were.
   */
  load(tenant: PlacedTenant, tables: readonly RowStream[], options: LoadOptions): Promise<void>
  /** Counts and digests of the tenant's rows as they are now. */
  digests(tenant: PlacedTenant): Promise<readonly TableDigest[]>
  /** Compares the rows of two tenants, whatever their placements. Each side is as of one moment. */
  compare(left: PlacedTenant, right: PlacedTenant, options: CompareOptions): Promise<readonly TableDifference[]>
  /**
   * Brings rows into a tenant's tables, in one transaction, with all constraints on, while the tenant is being served.
   *
   * @throws {ConstraintError} when the rows do not fit those that are there. {@link TenantMovingError} while the tenant is being switched.
   */
  merge(tenant: PlacedTenant, tables: readonly RowStream[], options: MergeOptions): Promise<readonly WrittenTable[]>
  /**
   * Puts rows in the place of all that the tenant has in these tables, in one transaction: readers see all of the old or all of the
   * new. Writes wait meanwhile.
   *
   * @throws {ConstraintError} {@link TenantMovingError}
   * @throws {OperationInProgressError} when transactions that may write do not end.
   */
  replace(tenant: PlacedTenant, tables: readonly RowStream[], options: ReplaceOptions): Promise<readonly WrittenTable[]>
  /** Takes away what a replacement that was killed has left of itself; done again, it does no harm. */
  release(tenant: PlacedTenant): Promise<void>
}
