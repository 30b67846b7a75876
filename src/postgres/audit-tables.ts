// The tables of a tenant's audit log, among the tenant's own (postgres/sql/wall/0014-audit.sql). They go where the tenant goes; what is
// told apart here goes with nobody else, and is not taken back by an older state.

import type { CopyTable } from './copy/copy-tables.ts'

/** Applications have tables of these names, too: what it is, its columns say. */
export function isAuditTable({ name, columns }: Pick<CopyTable, 'name' | 'columns'>): boolean {
  const has = (...wanted: readonly string[]): boolean => wanted.every((each) => columns.some((column) => column.name === each))
  return (name === 'audit_log' && has('position', 'payload', 'hash')) || (name === 'audit_outbox' && has('at', 'entry'))
}
