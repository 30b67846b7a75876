// Fills every table with rows of two tenants, as the superuser, parents before children. What cannot be guessed is said, not hidden.

import { randomUUID } from 'node:crypto'
import type { ControlConnection } from '../../postgres/control-pool.ts'
import { quoted } from '../../postgres/table-shape.ts'
import type { GroundTruth } from '../ground-truth.ts'
import { candidatesFor } from './seed-values.ts'
import type { SurveyedReference, SurveyedTable } from './survey.ts'

/** A row as JSON has it. */
export type Row = Readonly<Record<string, unknown>>

/** Values of your own for a table's rows, for what nobody can guess. The rest is generated. */
export type Seed = Row | ((row: { readonly tenant: SeedTenant; readonly number: number }) => Row)

export interface SeedTenant {
  readonly id: string
  readonly slug: string
  /** Stands in all of its texts. */
  readonly mark: string
  /** How a tenant's column of this type knows it. */
  keyOf(type: string | null): string
}

/** By `table` or `schema.table`. */
export type Seeds = Readonly<Record<string, Seed>>

export interface Seeded {
  /** By the table's oid. */
  readonly rows: ReadonlyMap<number, readonly Row[]>
  /** By the table's oid: why there are none. */
  readonly missing: ReadonlyMap<number, string>
}

export const rowsPerTenant = 3
/** Of tables that partywall makes: what reads an audit log reads batches. */
const ownSeeds: Seeds = {
  audit_log: ({ tenant, number }) => ({
    payload: {
      v: 1,
      id: randomUUID(),
      at: '2026-01-01T00:00:00.000Z',
      by: [{ actor: { kind: 'user', id: `${tenant.mark}-actor-${number}` } }],
      of: [{ operation: 'select' }],
      entries: [[0, 0, 0, 'done']],
    },
  }),
}
const triesMax = 60

/** Rows of one tenant in all tables that can have some. */
export async function seedTenant(options: {
  readonly truth: GroundTruth
  readonly tables: readonly SurveyedTable[]
  readonly tenant: SeedTenant
  readonly seeds: Seeds
}): Promise<Seeded> {
  const { truth, tables, tenant, seeds } = options
  const rows = new Map<number, readonly Row[]>()
  const missing = new Map<number, string>()
  for (const table of inOrder(tables)) {
    const made: Row[] = []
    if (table.status === 'global') {
      // The same for everybody, and filled by migrations. An empty one gets a row that is nobody's.
      const there = await truth.query<{ row: Row }>(`select to_jsonb(t) as row from ${table.sql} as t limit ${rowsPerTenant}`)
      if (there.length > 0) {
        rows.set(
          table.oid,
          there.map(({ row }) => row),
        )
        continue
      }
    }
    for (let number = 1; number <= rowsPerTenant; number++) {
      const seed = seeds[`${table.schema}.${table.name}`] ?? seeds[table.name] ?? ownSeeds[table.name]
      const given = typeof seed === 'function' ? seed({ tenant, number }) : seed
      const found = await seedRow({ truth, table, tenant, number, rows, given: given ?? {} })
      if (typeof found === 'string') {
        if (made.length === 0) missing.set(table.oid, found)
        break
      }
      made.push(found)
    }
    if (made.length > 0) rows.set(table.oid, made)
  }
  return { rows, missing }
}

interface RowTask {
  readonly truth: GroundTruth
  readonly table: SurveyedTable
  readonly tenant: SeedTenant
  readonly number: number
  readonly rows: ReadonlyMap<number, readonly Row[]>
  readonly given: Row
}

/** @returns the row, or why there is none. */
async function seedRow(task: RowTask): Promise<Row | string> {
  const { truth, table } = task
  const parents = parentValues(task)
  if (typeof parents === 'string') return parents
  const position = new Map<string, number>()
  let last = ''
  for (let tries = 0; tries < triesMax; tries++) {
    const values = valuesOf(task, parents, position)
    try {
      return await truth.transaction((connection) => insert(connection, table, values))
    } catch (error) {
      const failure = error as SeedFailure
      last = `${failure.code} ${failure.message}`
      const blamed = blame(table, failure).filter((name) => !(name in parents) && !(name in task.given))
      if (blamed.length === 0) return last
      for (const name of blamed) position.set(name, (position.get(name) ?? 0) + 1)
    }
  }
  return last
}

interface SeedFailure extends Error {
  readonly code?: string
  readonly constraint?: string
  readonly column?: string
}

function valuesOf(task: RowTask, parents: Row, position: ReadonlyMap<string, number>): ReadonlyMap<string, unknown> {
  const { table, tenant, number, given } = task
  const values = new Map<string, unknown>()
  for (const column of table.columns) {
    if (column.name === table.tenantColumn) values.set(column.name, tenant.keyOf(table.tenantType))
    else if (column.name in given) values.set(column.name, given[column.name])
    else if (column.name in parents) values.set(column.name, parents[column.name])
    else if (!column.isGenerated) {
      const candidates = candidatesFor(table, column, `${tenant.mark}-${column.name.replaceAll(/[^a-z0-9]/g, '')}-${number}`)
      const at = position.get(column.name) ?? 0
      // What has a default and is no text is left to it; and so is a text whose candidates were all refused.
      const isLeft = column.hasDefault && (!/^(text|character varying|citext)$/.test(column.base) || at >= candidates.length)
      if (!isLeft) values.set(column.name, candidates[Math.min(at, candidates.length - 1)] ?? null)
    }
  }
  return values
}

async function insert(connection: ControlConnection, table: SurveyedTable, values: ReadonlyMap<string, unknown>): Promise<Row> {
  const names = [...values.keys()]
  const types = new Map(table.columns.map(({ name, type }) => [name, type]))
  const text =
    names.length === 0
      ? `insert into ${table.sql} as t default values returning to_jsonb(t) as row`
      : `insert into ${table.sql} as t (${names.map(quoted).join(', ')})
         values (${names.map((name, at) => `$${at + 1}::text::${types.get(name)}`).join(', ')}) returning to_jsonb(t) as row`
  const given = [...values.values()].map((value) =>
    value === null || value === undefined
      ? null
      : typeof value === 'string'
        ? value
        : typeof value === 'object'
          ? JSON.stringify(value)
          : String(value),
  )
  // Where changes are recorded, those of nobody's tenant are refused; what is seeded is no access.
  await connection.query('set local partywall.audit_changes = off')
  const [made] = await connection.query<{ row: Row }>(text, given)
  return made?.row ?? {}
}

/** Columns whose value is to be another. */
function blame(table: SurveyedTable, { code, constraint, column }: SeedFailure): readonly string[] {
  const mutable = table.columns.filter((each) => !each.isGenerated && each.name !== table.tenantColumn)
  if (column !== undefined) return [column]
  if (code === '23514') return table.checks.find(({ name }) => name === constraint)?.columns ?? mutable.map(({ name }) => name)
  if (code === '23505')
    return (table.keys.find(({ name }) => name === constraint)?.columns ?? []).filter((name) => name !== table.tenantColumn)
  if (code?.startsWith('22') || code === '42804' || code === '42846')
    return mutable.filter((each) => !each.hasDefault).map(({ name }) => name)
  return []
}

/** Values of columns that refer to other tables: this tenant's rows there. Null where that may be and there is none. */
function parentValues({ table, rows, number, tenant }: RowTask): Row | string {
  const values: Record<string, unknown> = {}
  for (const reference of table.references) {
    const parents = rows.get(reference.to)
    const parent = parents?.[(number - 1) % parents.length]
    for (const [at, name] of reference.columns.entries()) {
      if (name === table.tenantColumn) continue
      const column = table.columns.find((each) => each.name === name)
      if (parent === undefined && column?.isNullable !== true)
        return `${reference.name} needs a row of another table, where ${tenant.slug} has none`
      values[name] = parent === undefined ? null : (parent[reference.toColumns[at] ?? ''] ?? null)
    }
  }
  return values
}

/** Parents first. A circle is entered anywhere: its references are null where they may be. */
function inOrder(tables: readonly SurveyedTable[]): readonly SurveyedTable[] {
  // What is in a partition comes in through its root.
  const wanted = tables.filter(({ partitionOf }) => partitionOf === null)
  const done = new Set<number>()
  const ordered: SurveyedTable[] = []
  const visit = (table: SurveyedTable, trail: ReadonlySet<number>): void => {
    if (done.has(table.oid) || trail.has(table.oid)) return
    const next = new Set([...trail, table.oid])
    for (const { to } of table.references as readonly SurveyedReference[]) {
      const parent = wanted.find(({ oid }) => oid === to)
      if (parent !== undefined) visit(parent, next)
    }
    done.add(table.oid)
    ordered.push(table)
  }
  for (const table of wanted) visit(table, new Set())
  return ordered
}
