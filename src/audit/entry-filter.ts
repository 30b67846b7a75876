// Which entries one wants to see.

import type { AuditEntry, AuditOutcome } from '../core/audit-entry.ts'
import { InvalidInputError } from '../errors.ts'

/** All that is given must hold. */
export interface AuditFilter {
  /** From this moment on, and before that one. */
  readonly since?: Date | undefined
  readonly until?: Date | undefined
  /** The id of who acted. */
  readonly actor?: string | undefined
  /** As `select`; `file.` stands for all that begin so. */
  readonly operation?: string | undefined
  readonly outcome?: AuditOutcome | undefined
  /** A table's name, with or without its schema. */
  readonly table?: string | undefined
  readonly grant?: string | undefined
  readonly requestId?: string | undefined
}

/** @throws {InvalidInputError} for a time that is none: compared with it nothing would match, which looks like a log without entries. */
export function assertFilter({ since, until }: AuditFilter): void {
  for (const [name, time] of Object.entries({ since, until })) {
    if (time === undefined || (time instanceof Date && !Number.isNaN(time.getTime()))) continue
    throw new InvalidInputError(`${name} is no time: give a valid Date.`)
  }
}

export function matches(entry: AuditEntry, filter: AuditFilter): boolean {
  const at = Date.parse(entry.at)
  const { since, until, actor, operation, outcome, table, grant, requestId } = filter
  return (
    (since === undefined || at >= since.getTime()) &&
    (until === undefined || at < until.getTime()) &&
    (actor === undefined || entry.actor.id === actor) &&
    (operation === undefined || entry.operation === operation || (operation.endsWith('.') && entry.operation.startsWith(operation))) &&
    (outcome === undefined || entry.outcome === outcome) &&
    (table === undefined || (entry.tables ?? []).some((name) => name === table || name.endsWith(`.${table}`))) &&
    (grant === undefined || entry.grant === grant) &&
    (requestId === undefined || entry.requestId === requestId)
  )
}
