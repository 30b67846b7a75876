// Drift: where a schema is not what its migrations make of it, object by object, with the SQL that mends it.

import type { ControlPool } from '../control-pool.ts'
import { inSchema, readShapes, type SchemaShape, type ShapeObject } from './shape.ts'

/** One object that is not as it should be. */
export interface DriftFinding {
  readonly kind: string
  /** Without the schema. */
  readonly name: string
  readonly problem: 'missing' | 'unexpected' | 'different'
  readonly expected: string | null
  readonly found: string | null
  /** SQL that mends it. Null where rows would be lost, or a person must decide. */
  readonly fix: string | null
}

/** What was found in one schema; nothing, when it is as it should be. */
export interface SchemaDrift {
  readonly schema: string
  readonly findings: readonly DriftFinding[]
}

export interface DriftOptions {
  /** Schemas that are read, and held in memory, at a time. Default 100. */
  readonly batchSize?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Compares schemas with the shape that they should have, in batches: memory does not grow with their number.
 *
 * @param pool Connections of the migrator's login.
 * @param expected See `referenceShape()`.
 */
export async function* findDrift(
  pool: ControlPool,
  schemas: readonly string[],
  expected: SchemaShape,
  options: DriftOptions = {},
): AsyncGenerator<SchemaDrift> {
  const { batchSize = 100, signal } = options
  for (let begin = 0; begin < schemas.length && signal?.aborted !== true; begin += batchSize) {
    const shapes = await readShapes(pool, schemas.slice(begin, begin + batchSize))
    for (const [schema, shape] of shapes) yield { schema, findings: compareShapes(schema, shape, expected) }
  }
}

/** What of `found` is not as in `expected`. Of a table that is missing, only the table is told. */
export function compareShapes(schema: string, found: SchemaShape, expected: SchemaShape): readonly DriftFinding[] {
  const findings: DriftFinding[] = []
  const text = (sql: string | null | undefined): string | null => (sql === null || sql === undefined ? null : inSchema(sql, schema))
  const isAlone = (object: ShapeObject, other: SchemaShape): boolean => {
    const table = tableOf(object)
    return table === undefined || other.has(`table ${table}`)
  }
  for (const [key, wanted] of expected) {
    const there = found.get(key)
    if (there?.definition === wanted.definition) continue
    if (there === undefined && !isAlone(wanted, found)) continue
    findings.push({
      kind: wanted.kind,
      name: wanted.name,
      problem: there === undefined ? 'missing' : 'different',
      expected: text(wanted.definition),
      found: text(there?.definition),
      fix: text(there === undefined ? wanted.make : mending(wanted, there)),
    })
  }
  for (const [key, there] of found) {
    if (expected.has(key) || !isAlone(there, expected)) continue
    const { kind, name, unmake } = there
    findings.push({ kind, name, problem: 'unexpected', expected: null, found: text(there.definition), fix: text(unmake) })
  }
  return findings
}

/** The table that an object is part of; a table is part of itself alone. */
function tableOf({ kind, name }: ShapeObject): string | undefined {
  switch (kind) {
    case 'row security':
    case 'tenant check':
      return name
    case 'column':
    case 'constraint':
    case 'policy':
    case 'trigger':
      return /^("(?:[^"]|"")+"|[^".]+)\./
        .exec(name)?.[1]
        ?.replace(/^"(.*)"$/, '$1')
        .replaceAll('""', '"')
    default:
      return undefined
  }
}

function mending(wanted: ShapeObject, there: ShapeObject): string | null {
  switch (wanted.kind) {
    case 'column':
      return columnMending(wanted, there)
    case 'row security':
    case 'tenant check':
    case 'function':
    case 'view':
      return wanted.make
    case 'policy':
      // protect() makes all of its own policies anew.
      return wanted.make?.startsWith('select partywall.protect') === true ? wanted.make : remade(wanted, there)
    default:
      return remade(wanted, there)
  }
}

function remade(wanted: ShapeObject, there: ShapeObject): string | null {
  return wanted.make === null || there.unmake === null ? null : `${there.unmake} ${wanted.make}`
}

const columnPattern = /^(.*?)(?: default (.*?))?( not null)?$/s

/** Type, default and null, each where it differs. A generated column is a person's. */
function columnMending(wanted: ShapeObject, there: ShapeObject): string | null {
  if (/ generated /.test(wanted.definition + there.definition)) return null
  const [, type, fallback, notNull] = columnPattern.exec(wanted.definition) ?? []
  const [, typeNow, fallbackNow, notNullNow] = columnPattern.exec(there.definition) ?? []
  const head = wanted.make?.replace(/ add column ([\s\S]*)$/, '')
  const column = wanted.name.slice(wanted.name.indexOf('.') + 1)
  if (head === undefined) return null
  const steps = [
    ...(type === typeNow ? [] : [`alter column ${column} type ${type}`]),
    ...(fallback === fallbackNow ? [] : [`alter column ${column} ${fallback === undefined ? 'drop default' : `set default ${fallback}`}`]),
    ...(notNull === notNullNow ? [] : [`alter column ${column} ${notNull === undefined ? 'drop' : 'set'} not null`]),
  ]
  return `${head} ${steps.join(', ')};`
}
