// The audit log of the tenant in context, read through the wall: what a tenant's own administrators are shown.

import { type AuditFilter, assertFilter, matches } from '../../audit/entry-filter.ts'
import { entriesOf } from '../../core/audit-batch.ts'
import type { AuditEntry } from '../../core/audit-entry.ts'
import type { TenantContext } from '../../core/tenant-context.ts'
import { ConfigurationError, InvalidInputError } from '../../errors.ts'
import type { Leases } from '../lease.ts'

export interface OwnLogOptions extends AuditFilter {
  /** 1 to 1,000; default 100. */
  readonly limit?: number | undefined
  /** `next` of the page before. */
  readonly before?: string | undefined
}

export interface OwnLogPage {
  /** The newest first. */
  readonly entries: readonly AuditEntry[]
  /** Pass as `before` for older ones; undefined at the beginning of the log. A page may be short, or empty, and have one. */
  readonly next: string | undefined
}

const rowsAtOnce = 20
/** Rows that are looked through for one page. */
const rowsMax = 400
const newest = '9223372036854775807'

/** @throws {InvalidInputError} {@link ConfigurationError} when the tenant's schema has no audit log. */
export async function readOwnLog(leases: Leases, context: TenantContext, options: OwnLogOptions): Promise<OwnLogPage> {
  const { limit = 100, before, ...filter } = options
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000) throw new InvalidInputError(`limit is ${limit}; it must be from 1 to 1,000.`)
  assertFilter(filter)
  let [position, index] = cursorOf(before)
  const entries: AuditEntry[] = []
  for (let read = 0; read < rowsMax; read += rowsAtOnce) {
    // The row of the cursor again, as far as it was not shown: it never changes.
    const { rows } = await leases
      .query<{ position: string; payload: string }>(context, {
        text: `select l.position, l.payload::text as payload from audit_log as l
                where l.position <= $1 and l.at < coalesce($2::timestamptz, 'infinity') order by l.position desc limit ${rowsAtOnce}`,
        values: [position, filter.until?.toISOString() ?? null],
      })
      .catch((error: unknown) => {
        if ((error as { code?: unknown }).code !== '42P01') throw error
        throw new ConfigurationError('The tenant has no audit log: no migration of its schema calls partywall.create_audit_log().', {
          cause: error,
        })
      })
    for (const row of rows) {
      const all = entriesOf(BigInt(row.position), row.payload)
      for (let i = Math.min(all.length, row.position === position ? index : all.length) - 1; i >= 0; i--) {
        if (matches(all[i]!, filter)) entries.push(all[i]!)
        if (entries.length === limit) return { entries, next: `${row.position}/${i}` }
      }
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < rowsAtOnce || isTooOld(last.payload, filter.since)) return { entries, next: undefined }
    position = String(BigInt(last.position) - 1n)
    index = Number.POSITIVE_INFINITY
  }
  return { entries, next: `${position}/${Number.MAX_SAFE_INTEGER}` }
}

/** A process that could not write for a while comes late with what is older. Past an hour nobody waits for it. */
function isTooOld(payload: string, since: Date | undefined): boolean {
  return since !== undefined && Date.parse(payload.slice(57, 81)) < since.getTime() - 3_600_000
}

function cursorOf(before: string | undefined): [position: string, index: number] {
  if (before === undefined) return [newest, Number.POSITIVE_INFINITY]
  const [, position, index] = /^(\d{1,18})\/(\d{1,16})$/.exec(before) ?? []
  if (position === undefined) throw new InvalidInputError('before is no cursor of an audit log: pass `next` of the page before.')
  return [position, Number(index)]
}
