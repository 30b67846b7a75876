// What the database says of a repository's statements, in terms of what the caller gave. SQLSTATE classes:
// https://www.postgresql.org/docs/current/errcodes-appendix.html

import pg from 'pg'
import { ConstraintError, InvalidInputError } from '../errors.ts'

/** Our error for one about data; any other as it is. */
export function explainDataError(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error
  const { code = '', constraint, table, column } = error
  if (code.startsWith('23')) {
    return new ConstraintError(`The row breaks ${constraint ?? 'a constraint'}${column === undefined ? '' : ` (${column})`}.`, {
      cause: error,
      details: { constraint, table, column, sqlstate: code },
    })
  }
  // 22: a value that does not parse or is out of range. 42: a comparison that the column's type does not have.
  if (code.startsWith('22') || code === '42883' || code === '42804' || code === '42846') {
    return new InvalidInputError(`The database refused a value: ${error.message}.`, { cause: error, details: { sqlstate: code } })
  }
  return error
}
