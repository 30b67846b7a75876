// The application's migrations, as placements need them: all of them, in a schema that has none or some.

import { createHash } from 'node:crypto'
import { applyMigrations } from '../migrations/apply-migrations.ts'
import { compileMigrations } from '../migrations/compile.ts'
import { readLedger } from '../migrations/ledger.ts'
import type { MigrationSet } from '../migrations/migration-set.ts'
import type { PlacementMigrations } from './placement-site.ts'

export function placementMigrations(set: MigrationSet): PlacementMigrations {
  const fingerprint = createHash('sha256')
  for (const { file, sha256 } of set.files) fingerprint.update(`${file} ${sha256}\n`)
  // A new schema takes one round trip, unless a file is no plain SQL.
  const whole = compileMigrations(set, null)
  return {
    version: set.newest,
    fingerprint: fingerprint.digest('hex'),
    async applyAll(control, schema) {
      if (whole !== undefined && (await readLedger(control, [schema])).length === 0) await control.query(whole.text(schema))
      else await applyMigrations(control, schema, set)
    },
    versionOf: async (control, schema) => (await readLedger(control, [schema])).at(-1)?.version,
    async forget(control, schema) {
      await control.query('delete from partywall.ledger as l where l.schema_name = $1', [schema])
    },
  }
}
