// Entries of audit logs at the command line: what is asked for, and how one is shown.

import type { AuditFilter } from '../audit/entry-filter.ts'
import { type AuditEntry, type AuditOutcome, auditOutcomes } from '../core/audit-entry.ts'
import { systemClock } from '../core/clock.ts'
import type { Tenant } from '../core/tenant.ts'
import { ConfigurationError } from '../errors.ts'
import { durationMs } from './duration.ts'
import type { Output, TableColumns } from './output.ts'

export const auditFilterFlags = {
  since: { kind: 'text', value: 'time', about: 'so long ago at most, as 90d or 12h' },
  actor: { kind: 'text', value: 'id', about: 'who acted' },
  operation: { kind: 'text', value: 'name', about: 'as select; "file." for all that begin so' },
  outcome: { kind: 'choice', of: auditOutcomes, about: 'what became of it' },
  table: { kind: 'text', value: 'name', about: 'a table that was named' },
  grant: { kind: 'text', value: 'id', about: 'by this grant of break-glass' },
  request: { kind: 'text', value: 'id', about: 'in this request' },
} as const

interface AuditFilterFlags {
  readonly since?: string | undefined
  readonly actor?: string | undefined
  readonly operation?: string | undefined
  readonly outcome?: string | undefined
  readonly table?: string | undefined
  readonly grant?: string | undefined
  readonly request?: string | undefined
}

/** @throws {InvalidInputError} for a time that is none. */
export function auditFilterOf({ since, outcome, request, ...rest }: AuditFilterFlags): AuditFilter {
  return {
    ...rest,
    since: since === undefined ? undefined : new Date(systemClock.now() - durationMs('--since', since)),
    outcome: outcome as AuditOutcome | undefined,
    requestId: request,
  }
}

export const entryColumns: TableColumns<AuditEntry> = {
  AT: ({ at }) => at,
  ACTOR: ({ actor }) => `${actor.kind} ${actor.id}`,
  OPERATION: ({ operation }) => operation,
  OUTCOME: ({ outcome, error }) => (error === undefined ? outcome : `${outcome} ${error}`),
  TABLES: ({ tables }) => tables?.join(' ') ?? '',
  ROWS: ({ rows }) => String(rows ?? ''),
  REQUEST: ({ requestId }) => requestId ?? '',
  ENTRY: ({ name }) => name,
}

/** One line, at once. */
export function tellEntry(output: Output, entry: AuditEntry): void {
  const cells = Object.values(entryColumns).map((cell) => cell(entry))
  output.lines([cells.join('  ')], entry)
}

export function noLog({ slug }: Tenant): ConfigurationError {
  return new ConfigurationError(`Tenant ${slug} has no audit log: no migration of its schema calls partywall.create_audit_log().`)
}
