// A name with a schema: the same file must run in the schema of every placement.

import type { Node } from '@pgsql/types'
import type { LintRule } from './rule.ts'
import { callsIn, strings, walk } from './tree.ts'

const known = new Set(['', 'partywall', 'pg_catalog', 'information_schema', 'pg_temp'])

export const qualifiedName: LintRule = {
  name: 'qualified-name',
  level: 'error',
  *check({ statements }) {
    for (const { node, line } of statements) {
      for (const schema of new Set(schemasIn(node))) if (!known.has(schema)) yield finding(line, schema)
    }
  },
}

function finding(line: number, schema: string) {
  return {
    line,
    problem: `The schema ${schema} is named: in a tenant's own schema the statement would miss its table, or reach another's.`,
    remedy:
      'Write the name without its schema: the runner sets the search_path to the schema that is migrated. What extensions put elsewhere may be allowed with that reason.',
  }
}

/** Every schema that a statement names, in whichever of the ways of the grammar. */
function schemasIn(node: Node): readonly string[] {
  const found: string[] = []
  const qualified = (nodes: readonly Node[] | undefined, parts = 1): void => {
    const names = strings(nodes)
    if (names.length > parts) found.push(names.at(-1 - parts) ?? '')
  }
  walk(node, (kind, value) => {
    const at = value as Readonly<Record<string, unknown>>
    if (typeof at['schemaname'] === 'string') found.push(at['schemaname'])
    if (kind === 'TypeName' || kind === 'typeName' || kind === 'returnType') qualified(at['names'] as Node[])
    for (const key of ['funcname', 'objname', 'defnames']) if (Array.isArray(at[key])) qualified(at[key] as Node[])
    if (kind === 'DropStmt' && Array.isArray(at['objects'])) {
      for (const object of at['objects'] as Node[])
        if ('List' in object)
          qualified(object.List.items, ['OBJECT_TRIGGER', 'OBJECT_POLICY', 'OBJECT_RULE'].includes(String(at['removeType'])) ? 2 : 1)
    }
    if (kind === 'CommentStmt') {
      const object = at['object'] as Node | undefined
      const isOfTable = ['OBJECT_COLUMN', 'OBJECT_TABCONSTRAINT', 'OBJECT_TRIGGER', 'OBJECT_POLICY'].includes(String(at['objtype']))
      if (object !== undefined && 'List' in object) qualified(object.List.items, isOfTable ? 2 : 1)
    }
    if (kind === 'AlterObjectSchemaStmt' && typeof at['newschema'] === 'string') found.push(at['newschema'])
  })
  for (const { name, text } of callsIn(node)) {
    const schema = /^(partywall\.(protect|declare_global)|nextval|to_regclass)$/.test(name)
      ? /^"?([^".]+)"?\./.exec(text ?? '')?.[1]
      : undefined
    if (schema !== undefined) found.push(schema)
  }
  return found
}
