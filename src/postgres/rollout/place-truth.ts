// How far places are, as their own database says: one query for a batch of schemas, however many migrations there are.

import type { ControlConnection } from '../control-pool.ts'
import type { MigrationSet } from '../migrations/migration-set.ts'

/** What the ledger says of one schema. */
export interface PlaceTruth {
  /** The newest migration that it has; null for none. */
  readonly version: string | null
  /** Has it exactly what the set has up to there? Otherwise they contradict each other. */
  readonly isSound: boolean
}

export async function readTruth(
  control: ControlConnection,
  schemas: readonly string[],
  set: MigrationSet,
): Promise<ReadonlyMap<string, PlaceTruth>> {
  const rows = await control.query<{ schema: string; version: string; count: number; known: number }>(
    `select l.schema_name as schema, max(l.version) as version, count(*)::integer as count, count(s.version)::integer as known
       from partywall.ledger as l
       left join unnest($2::text[], $3::text[]) as s (version, sha256) on s.version = l.version and s.sha256 = l.sha256
      where l.schema_name = any ($1)
      group by l.schema_name`,
    [schemas, set.files.map(({ version }) => version), set.files.map(({ sha256 }) => sha256)],
  )
  const truth = new Map<string, PlaceTruth>(schemas.map((schema) => [schema, { version: null, isSound: true }]))
  for (const { schema, version, count, known } of rows) {
    const expected = set.files.filter((file) => file.version <= version).length
    truth.set(schema, { version, isSound: count === known && count === expected })
  }
  return truth
}
