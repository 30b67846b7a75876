// A fleet with tables of every kind, its exports and imports, and a directory for files.

import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryAuditTrail } from '../../src/core/memory-audit-trail.ts'
import type { PlacedTenant } from '../../src/core/placement-adapter.ts'
import { PlannedCatalog } from '../../src/core/planned-catalog.ts'
import { Plans } from '../../src/core/plans.ts'
import type { Refusal } from '../../src/portability/refusals.ts'
import { Exports, Imports } from '../../src/postgres/portability/portability.ts'
import { type Fleet, fleet } from './fleet.ts'
import { plainMigrations } from './plain-migrations.ts'
import { portableRows, portableTables } from './portable-tables.ts'

export const tenantTables = ['events', 'members', 'passports', 'people', 'tasks', 'teams'] as const

export interface PortabilityStage {
  readonly fleet: Fleet
  readonly exports: Exports
  readonly imports: Imports
  /** A directory of its own under this name. */
  path(name: string): string
  fill(tenant: PlacedTenant, of: string): Promise<PlacedTenant>
  /** All rows of a tenant but for whose they are, as a superuser sees them: text by text. */
  rowsOf(tenant: PlacedTenant): Promise<Readonly<Record<string, readonly string[]>>>
  /** An export that somebody else wrote: texts by the names of their tables. @returns its directory. */
  written(name: string, format: 'jsonl' | 'csv', tables: Readonly<Record<string, string>>): Promise<string>
  refusals(directory: string): Promise<readonly Refusal[]>
  strike(): Promise<void>
}

/** Call it in `before`, and `strike()` in `after`. */
export async function portabilityStage(tables = portableTables): Promise<PortabilityStage> {
  const made = await fleet(plainMigrations(tables))
  const directory = await mkdtemp(join(tmpdir(), 'partywall-portability-'))
  const parts = {
    catalog: new PlannedCatalog(made.tenants, new Plans()),
    asMigrator: made.connections.asMigrator.bind(made.connections),
    auditTrail: new MemoryAuditTrail(),
  }
  const path = (name: string): string => join(directory, name)
  return {
    fleet: made,
    exports: new Exports(parts),
    imports: new Imports(parts),
    path,
    async fill(tenant, of) {
      await made.as(tenant, async (connection) => {
        for (const text of portableRows(of)) await connection.query(text)
      })
      return tenant
    },
    async rowsOf({ id, placement }) {
      const found: Record<string, readonly string[]> = {}
      for (const name of tenantTables) {
        const rows = await made.alice<{ row: string }>(
          placement,
          `select replace(t::text, $1, 'tenant') as row from ${placement.schema}.${name} as t where t.tenant_id = $1::uuid order by 1`,
          [id],
        )
        found[name] = rows.map(({ row }) => row)
      }
      return found
    },
    async written(name, format, tables) {
      const to = path(name)
      await mkdir(to)
      const files = []
      for (const [table, text] of Object.entries(tables)) {
        const file = `${table}.${format}`
        await writeFile(join(to, file), text)
        const rows = text.split('\n').filter((line) => line.trim() !== '').length - (format === 'csv' ? 1 : 0)
        files.push({ table, file, rows, bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') })
      }
      const schema = { file: 'datapackage.json', sha256: '0'.repeat(64) }
      const manifest = { version: 2, tenant: 'elsewhere', takenAt: '2026-01-01T00:00:00Z', snapshot: '', format, schema, tables: files }
      await writeFile(join(to, 'manifest.json'), JSON.stringify(manifest))
      return to
    },
    async refusals(from) {
      const text = await readFile(join(from, 'refused.jsonl'), 'utf8')
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Refusal)
    },
    async strike() {
      await rm(directory, { recursive: true })
      await made.strike()
    },
  }
}
