// Reading the trees of PostgreSQL's parser.

import type { AlterTableCmd, ColumnDef, Constraint, Node } from '@pgsql/types'
import type { SqlStatement } from '../sql-statements.ts'

/** One command of an ALTER TABLE, with its table. */
export interface AlterCommand {
  readonly table: string
  readonly command: AlterTableCmd
  readonly statement: SqlStatement
}

/** The ALTER TABLE commands of these statements. */
export function alterCommands(statements: readonly SqlStatement[]): readonly AlterCommand[] {
  return statements.flatMap((statement) => {
    if (!('AlterTableStmt' in statement.node) || statement.node.AlterTableStmt.objtype !== 'OBJECT_TABLE') return []
    const { relation, cmds = [] } = statement.node.AlterTableStmt
    const table = relation?.relname ?? ''
    return cmds.flatMap((node) => ('AlterTableCmd' in node ? [{ table, command: node.AlterTableCmd, statement }] : []))
  })
}

/** A column that is added to a table: by ALTER TABLE, not by the CREATE TABLE that makes it. */
export interface AddedColumn {
  readonly table: string
  readonly column: ColumnDef
  readonly statement: SqlStatement
}

export function addedColumns(statements: readonly SqlStatement[]): readonly AddedColumn[] {
  return alterCommands(statements).flatMap(({ table, command, statement }) =>
    command.subtype === 'AT_AddColumn' && command.def !== undefined && 'ColumnDef' in command.def
      ? [{ table, column: command.def.ColumnDef, statement }]
      : [],
  )
}

/** A constraint or a column's constraint, with the columns that it is on. */
export interface DeclaredConstraint {
  readonly table: string
  readonly constraint: Constraint
  readonly columns: readonly string[]
  readonly statement: SqlStatement
  /** Is it made with its table, or added to one? */
  readonly isNewTable: boolean
}

/** Every constraint that these statements declare, however they are written. */
export function declaredConstraints(statements: readonly SqlStatement[]): readonly DeclaredConstraint[] {
  const made = statements.flatMap((statement) => {
    if (!('CreateStmt' in statement.node)) return []
    const { relation, tableElts = [] } = statement.node.CreateStmt
    return tableElts.flatMap((element) =>
      constraintsOf(element).map((one) => ({ ...one, table: relation?.relname ?? '', statement, isNewTable: true })),
    )
  })
  const added = alterCommands(statements).flatMap(({ table, command, statement }) =>
    command.def === undefined || (command.subtype !== 'AT_AddColumn' && command.subtype !== 'AT_AddConstraint')
      ? []
      : constraintsOf(command.def).map((one) => ({ ...one, table, statement, isNewTable: false })),
  )
  return [...made, ...added]
}

function constraintsOf(element: Node): readonly { readonly constraint: Constraint; readonly columns: readonly string[] }[] {
  if ('Constraint' in element) {
    const { keys, fk_attrs: references } = element.Constraint
    return [{ constraint: element.Constraint, columns: strings(references ?? keys) }]
  }
  if (!('ColumnDef' in element)) return []
  const column = element.ColumnDef.colname ?? ''
  return columnConstraints(element.ColumnDef).map((constraint) => ({ constraint, columns: [column] }))
}

export function columnConstraints(column: ColumnDef): readonly Constraint[] {
  return (column.constraints ?? []).flatMap((node) => ('Constraint' in node ? [node.Constraint] : []))
}

/** The texts of a list of String nodes. */
export function strings(nodes: readonly Node[] | undefined): readonly string[] {
  return (nodes ?? []).flatMap((node) => ('String' in node ? [node.String.sval ?? ''] : []))
}

/** A call of a function. */
export interface FoundCall {
  /** `partywall.protect`, `now`. */
  readonly name: string
  /** The first argument, where it is text. */
  readonly text: string | undefined
  readonly location: number | undefined
}

/** Every call of a function in a tree. */
export function callsIn(tree: unknown): readonly FoundCall[] {
  const found: FoundCall[] = []
  walk(tree, (kind, value) => {
    if (kind !== 'FuncCall') return
    const { funcname, args, location } = value as { funcname?: Node[]; args?: Node[]; location?: number }
    found.push({ name: strings(funcname).join('.'), text: textOf(args?.[0]), location })
  })
  return found
}

/** A text constant, with or without a cast. */
function textOf(node: Node | undefined): string | undefined {
  if (node === undefined) return undefined
  if ('A_Const' in node) return node.A_Const.sval?.sval
  return 'TypeCast' in node ? textOf(node.TypeCast.arg) : undefined
}

/** Visits every object of a tree with the key that it stands under. */
export function walk(tree: unknown, visit: (kind: string, value: object) => void): void {
  if (tree === null || typeof tree !== 'object') return
  for (const [kind, value] of Object.entries(tree)) {
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) visit(kind, value)
    walk(value, visit)
  }
}

/** `app."Odd"` and `odd` without schema and quotes: how trees spell the name. */
export function bareName(name: string): string {
  const last = /(?:"((?:[^"]|"")+)"|([^".]+))$/.exec(name.trim())
  return last?.[1]?.replaceAll('""', '"') ?? last?.[2]?.toLowerCase() ?? name
}
