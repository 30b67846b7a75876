// What a resource needs of a transaction that its caller has open, to write in it.

import type { TenantContext } from './tenant-context.ts'

/** A transaction of one tenant: what `tenancy.transaction()` hands to its callback. */
export interface OpenTransaction {
  readonly context: TenantContext
  query<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<{ readonly rows: readonly Row[]; readonly rowCount: number | null }>
}
