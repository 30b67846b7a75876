// A column that may not be null in a table that has rows already, or that is read whole to make sure.

import type { SqlStatement } from '../sql-statements.ts'
import type { LintRule } from './rule.ts'
import { addedColumns, alterCommands, columnConstraints, declaredConstraints, strings } from './tree.ts'

export const notNullWithoutDefault: LintRule = {
  name: 'not-null-without-default',
  level: 'error',
  *check({ statements, earlier, created }) {
    for (const { table, column, statement } of addedColumns(statements)) {
      const kinds = columnConstraints(column).map(({ contype }) => contype)
      const isFilled = kinds.some((kind) => kind === 'CONSTR_DEFAULT' || kind === 'CONSTR_GENERATED' || kind === 'CONSTR_IDENTITY')
      if (created.has(table) || isFilled || !kinds.includes('CONSTR_NOTNULL')) continue
      yield {
        line: statement.lineAt(column.location),
        problem: `Adding ${table}.${column.colname} fails as soon as the table has one row, and the version that runs now cannot insert any more.`,
        remedy: 'Give it a default that is a constant, or add it as nullable, fill it, and forbid null in a later file.',
      }
    }
    for (const { table, command, statement } of alterCommands(statements)) {
      const column = command.name ?? ''
      if (command.subtype !== 'AT_SetNotNull' || created.has(table) || isProved([...earlier, ...statements], table, column)) continue
      const name = `${table}_${column}_not_null`
      yield {
        line: statement.line,
        problem: `SET NOT NULL reads all of ${table} while everybody waits.`,
        remedy: 'Prove it first with a check that is validated while others write; SET NOT NULL then believes the check.',
        fix: `alter table ${table} add constraint ${name} check (${column} is not null) not valid;\n-- next file:\nalter table ${table} validate constraint ${name};\n-- next file:\nalter table ${table} alter column ${column} set not null, drop constraint ${name};`,
      }
    }
  },
}

/** Is there a validated check that the column is not null? */
function isProved(statements: readonly SqlStatement[], table: string, column: string): boolean {
  const checks = declaredConstraints(statements).filter(({ constraint, table: on }) => {
    const test = constraint.raw_expr
    if (on !== table || constraint.contype !== 'CONSTR_CHECK' || test === undefined || !('NullTest' in test)) return false
    const { arg, nulltesttype } = test.NullTest
    return nulltesttype === 'IS_NOT_NULL' && arg !== undefined && 'ColumnRef' in arg && strings(arg.ColumnRef.fields).at(-1) === column
  })
  const validated = new Set(
    alterCommands(statements).flatMap(({ table: on, command }) =>
      on === table && command.subtype === 'AT_ValidateConstraint' ? (command.name ?? []) : [],
    ),
  )
  return checks.some(({ constraint }) => constraint.skip_validation !== true || validated.has(constraint.conname ?? ''))
}
