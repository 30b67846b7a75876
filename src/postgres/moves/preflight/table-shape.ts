// Tables that are not the same in both places: what is replicated is applied by name, and stops at the first column that is not there.

import { quoted } from '../../table-shape.ts'
import { inDatabase, type MoveCheck, type SaidAt } from '../check.ts'
import type { MovePlace } from '../survey.ts'
import { withTables } from '../tables-of-place.ts'

interface Column {
  readonly table: string
  readonly name: string
  readonly type: string
  readonly collation: string | null
  readonly isNullable: boolean
  readonly generated: string | null
  readonly default: string | null
}

interface Constraint {
  readonly table: string
  readonly name: string
  readonly definition: string
}

interface Shape {
  readonly names: ReadonlyMap<string, string>
  readonly columns: ReadonlyMap<string, Column>
  readonly constraints: readonly Constraint[]
}

export const tableShape: MoveCheck = {
  rule: 'table-shape',
  level: 'refuse',
  async check({ source, target }) {
    if (!source.isMade || !target.isMade) return []
    const [here, there] = await Promise.all([shapeOf(source), shapeOf(target)])
    const at = inDatabase(target)
    const found: SaidAt[] = []
    for (const [short, name] of here.names) {
      if (!there.names.has(short))
        found.push({ at, object: name, problem: `The target has no protected table ${short}: migrate it first.` })
    }
    for (const [short, name] of there.names) {
      if (!here.names.has(short))
        found.push({
          at,
          level: 'warn',
          object: name,
          problem: `The source has no protected table ${short}: migrate it first, or the tenant comes to another version of the application.`,
        })
    }
    const columns = new Set([...here.columns.keys(), ...there.columns.keys()])
    for (const key of columns) {
      const [at0, at1] = [here.columns.get(key), there.columns.get(key)]
      const table = there.names.get((at0 ?? at1)!.table)
      if (table === undefined || !here.names.has((at0 ?? at1)!.table)) continue
      const local = (text: string): string => (target.ownSchema === undefined ? text : text.replaceAll('app.', `${target.ownSchema}.`))
      found.push(
        ...columnSays(table, at0, at1).map((said) => ({ ...said, fix: typeof said.fix === 'string' ? local(said.fix) : null, at })),
      )
    }
    for (const { table, name, definition } of there.constraints) {
      const isHere = here.constraints.some((own) => own.table === table && own.definition === definition)
      const full = there.names.get(table)
      if (isHere || full === undefined || !here.names.has(table)) continue
      found.push({
        at,
        object: `${name} on ${full}`,
        problem: `The target has a rule that the source has not (${definition}): rows that are right at the source would be refused, and the copy stops.`,
        fix: `alter table ${full} drop constraint ${quoted(name)};`,
      })
    }
    return found
  },
}

function columnSays(table: string, source: Column | undefined, target: Column | undefined): readonly Omit<SaidAt, 'at'>[] {
  const name = (source ?? target)!.name
  const object = `${table}.${name}`
  const alter = `alter table ${table} alter column ${quoted(name)}`
  if (target === undefined) {
    const problem = 'The target has no such column: replication stops at the first row.'
    return [{ object, problem, fix: `alter table ${table} add column ${quoted(name)} ${definitionOf(source!)};` }]
  }
  if (source === undefined) {
    const problem = 'The source has no such column: after a switch nothing could be sent back.'
    return [{ object, problem, fix: `alter table ${table} drop column ${quoted(name)};` }]
  }
  const said: Omit<SaidAt, 'at'>[] = []
  const differ = (what: string, [a, b]: readonly [string, string], fix: string | null): void => {
    if (a !== b) said.push({ object, problem: `${what} is ${a} at the source, and ${b} at the target.`, fix })
  }
  differ('Its type', [typeOf(source), typeOf(target)], `${alter} type ${typeOf(source)} using ${quoted(name)}::${source.type};`)
  differ('What it is generated from', [source.generated ?? 'nothing', target.generated ?? 'nothing'], generatedFix(table, source, target))
  if (source.isNullable !== target.isNullable) {
    const problem = source.isNullable
      ? 'It may be null at the source, and not at the target: such a row stops the copy.'
      : 'It may be null at the target, and not at the source: after a switch such a row could not be sent back.'
    said.push({ object, problem, fix: `${alter} ${source.isNullable ? 'drop' : 'set'} not null;` })
  }
  return said
}

function generatedFix(table: string, source: Column, target: Column): string | null {
  if (source.generated === null) return `alter table ${table} alter column ${quoted(source.name)} drop expression;`
  const again = `alter table ${table} add column ${quoted(source.name)} ${definitionOf(source)};`
  return target.generated === null ? null : `alter table ${table} drop column ${quoted(source.name)}; ${again}`
}

function typeOf({ type, collation }: Column): string {
  return collation === null ? type : `${type} collate ${collation}`
}

function definitionOf(column: Column): string {
  const made =
    column.generated !== null ? ` generated always as ${column.generated}` : column.default !== null ? ` default ${column.default}` : ''
  return `${typeOf(column)}${made}${column.isNullable ? '' : ' not null'}`
}

/** Names of the tenant's own schema are taken for those of the shared one. */
async function shapeOf(place: MovePlace): Promise<Shape> {
  const shared = (text: string | null): string | null =>
    place.ownSchema === undefined ? text : (text?.replaceAll(`${place.ownSchema}.`, 'app.') ?? null)
  const values = [place.ownSchema ?? null]
  const [names, columns, constraints] = await Promise.all([
    place.query<{ short: string; name: string }>(`${withTables} select t.short, t.name from tables as t order by t.name`, values),
    place.query<Column>(
      `${withTables}
       select t.short as table, a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type,
              case when a.attcollation <> 0 and a.attcollation <> y.typcollation then a.attcollation::regcollation::text end as collation,
              not a.attnotnull as "isNullable",
              case a.attgenerated when '' then null when 's' then format('(%s) stored', pg_get_expr(d.adbin, d.adrelid))
                else format('(%s) virtual', pg_get_expr(d.adbin, d.adrelid)) end as generated,
              case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end as default
         from tables as t
         join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
         join pg_catalog.pg_type as y on y.oid = a.atttypid
         left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
        order by t.name, a.attnum`,
      values,
    ),
    place.query<Constraint>(
      `${withTables}
       select t.short as table, k.conname::text as name, pg_get_constraintdef(k.oid) as definition
         from tables as t
         join pg_catalog.pg_constraint as k on k.conrelid = t.oid and k.contype in ('c', 'p', 'u', 'x') and k.conparentid = 0
        where k.conname not like 'partywall\\_%'
        order by t.name, k.conname`,
      values,
    ),
  ])
  return {
    names: new Map(names.map(({ short, name }) => [short, name])),
    columns: new Map(
      columns.map((column) => [
        `${column.table} ${column.name}`,
        { ...column, type: shared(column.type)!, generated: shared(column.generated), default: shared(column.default) },
      ]),
    ),
    constraints: constraints.map((constraint) => ({ ...constraint, definition: shared(constraint.definition)! })),
  }
}
