// Keyset paging: newest first, by id. Ids are uuids of version 7, so that their order is the order of creation.

import type { Tenancy } from 'partywall'
import { readCursor, writeCursor } from './cursor.ts'

const limitDefault = 20

/** A page as it is asked for. */
export interface PageQuery {
  readonly limit?: string | undefined
  readonly cursor?: string | undefined
}

/** The rows of a page, and where the next one begins. */
export interface Page<Row> {
  readonly rows: readonly Row[]
  readonly nextCursor: string | null
}

/**
 * Reads one row more than asked for, to know whether there is a next page.
 *
 * @param read gives at most `limit` rows whose id is less than `before`, the greatest first.
 */
export async function page<Row extends { readonly id: string }>(
  tenancy: Tenancy,
  query: PageQuery,
  read: (before: string | null, limit: number) => Promise<readonly Row[]>,
): Promise<Page<Row>> {
  const tenantId = tenancy.current().tenant.id
  const limit = query.limit === undefined ? limitDefault : Number(query.limit)
  const found = await read(query.cursor === undefined ? null : readCursor(tenantId, query.cursor), limit + 1)
  const rows = found.slice(0, limit)
  const last = rows.at(-1)
  return { rows, nextCursor: found.length > limit && last !== undefined ? writeCursor(tenantId, last.id) : null }
}
