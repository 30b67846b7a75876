// What a schema consists of, without its name: a tenant's own and the shared one can be compared.

import type { ControlConnection, ControlPool } from '../control-pool.ts'
import { applyMigrations } from './apply-migrations.ts'
import type { MigrationSet } from './migration-set.ts'
import { shapeQueries } from './shape-queries.ts'

/** One object of a schema. */
export interface ShapeObject {
  /** `table`, `column`, `constraint`, `index`, `policy`, `trigger`, `function`, `view`, `type`, `sequence`, `grant`, … */
  readonly kind: string
  /** Without the schema: `documents.title`. */
  readonly name: string
  readonly definition: string
  /** SQL that makes it, for the schema that `inSchema()` is given; null where a person must decide. */
  readonly make: string | null
  readonly unmake: string | null
}

/** The objects of one schema, by kind and name. */
export type SchemaShape = ReadonlyMap<string, ShapeObject>

/** Stands for the schema's name. No identifier has it. */
const schemaMark = '\u0001'

interface ShapeRow {
  readonly schema: string
  readonly name: string
  readonly definition: string
  readonly make: string | null
  readonly unmake: string | null
}

/** The shapes of these schemas: a fixed number of queries, however many there are. One that does not exist has an empty shape. */
export async function readShapes(pool: ControlPool, schemas: readonly string[]): Promise<ReadonlyMap<string, SchemaShape>> {
  return await pool.transaction(async (connection) => {
    await connection.query('set transaction isolation level repeatable read, read only')
    await connection.query(`set local search_path to ''`)
    return await readIn(connection, schemas)
  })
}

async function readIn(connection: ControlConnection, schemas: readonly string[]): Promise<ReadonlyMap<string, SchemaShape>> {
  const shapes = new Map(schemas.map((schema) => [schema, new Map<string, ShapeObject>()]))
  const names = new Map(schemas.map((schema) => [schema, new RegExp(`(?<![\\w$"])"?${schema.replace(/\W/g, '\\$&')}"?(?=\\.)`, 'g')]))
  for (const { kind, text } of shapeQueries) {
    for (const row of await connection.query<ShapeRow>(text, [schemas])) {
      const without = (sql: string): string => sql.replace(names.get(row.schema) ?? '', schemaMark)
      const object: ShapeObject = {
        kind,
        name: without(row.name).replaceAll(`${schemaMark}.`, ''),
        definition: without(row.definition),
        make: row.make === null ? null : without(row.make),
        unmake: row.unmake === null ? null : without(row.unmake),
      }
      shapes.get(row.schema)?.set(`${kind} ${object.name}`, object)
    }
  }
  return shapes
}

/** The text of a shape, for one schema. */
export function inSchema(text: string, schema: string): string {
  return text.replaceAll(schemaMark, /^[a-z_][a-z0-9_]*$/.test(schema) ? schema : `"${schema.replaceAll('"', '""')}"`)
}

const referenceSchema = 'partywall_reference'
const referenceLock = 7_305_804_404

/**
 * The shape that a schema should have: of one that is made for it, migrated, read and dropped again. Two at a time take turns, and one
 * that was killed is cleared away by the next.
 *
 * @param to The version; default the newest.
 */
export async function referenceShape(pool: ControlPool, set: MigrationSet, to?: string): Promise<SchemaShape> {
  return await pool.session(async (session) => {
    await session.query('select pg_advisory_lock($1)', [referenceLock])
    try {
      await clear(session)
      await session.query(`create schema ${referenceSchema}`)
      await applyMigrations(pool, referenceSchema, set, { to, appliedBy: 'partywall drift' })
      const shapes = await readShapes(pool, [referenceSchema])
      return shapes.get(referenceSchema) ?? new Map()
    } finally {
      await clear(session)
      await session.query('select pg_advisory_unlock($1)', [referenceLock])
    }
  })
}

async function clear(session: ControlConnection): Promise<void> {
  await session.query(`drop schema if exists ${referenceSchema} cascade`)
  await session.query('delete from partywall.ledger where schema_name = $1', [referenceSchema])
  await session.query('delete from partywall.protected_tables where starts_with(table_name, $1)', [`${referenceSchema}.`])
  await session.query('delete from partywall.global_tables where starts_with(table_name, $1)', [`${referenceSchema}.`])
}
