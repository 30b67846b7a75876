// A tenant's rows out of one placement and into another: the same rows, and nobody else's, in every format.

import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isolations } from '../../../src/core/placement.ts'
import type { PlacedTenant } from '../../../src/core/placement-adapter.ts'
import { exportFormats } from '../../../src/portability/portable-table.ts'
import { Exports, Imports } from '../../../src/postgres/portability/portability.ts'
import { type Fleet, fleet } from '../../support/fleet.ts'
import { plainMigrations } from '../../support/plain-migrations.ts'
import { portableRows, portableTables } from '../../support/portable-tables.ts'

const names = ['countries', 'events', 'members', 'passports', 'people', 'tasks', 'teams'] as const
const own = names.filter((name) => name !== 'countries')

describe('a tenant’s rows', () => {
  let made: Fleet
  let directory: string
  let exports: Exports
  let imports: Imports

  before(async () => {
    made = await fleet(plainMigrations(portableTables))
    directory = await mkdtemp(join(tmpdir(), 'partywall-round-trip-'))
    const parts = {
      catalog: made.tenants as never,
      asMigrator: made.connections.asMigrator.bind(made.connections),
    }
    exports = new Exports(parts)
    imports = new Imports(parts)
  })
  after(async () => {
    await rm(directory, { recursive: true })
    await made.strike()
  })

  const filled = async (tenant: PlacedTenant, of: string): Promise<PlacedTenant> => {
    await made.as(tenant, async (connection) => {
      for (const text of portableRows(of)) await connection.query(text)
    })
    return tenant
  }

  /** All rows of a tenant but for whose they are, as a superuser sees them: text by text. */
  const rowsOf = async (tenant: PlacedTenant): Promise<Record<string, readonly string[]>> => {
    const found: Record<string, readonly string[]> = {}
    for (const name of own) {
      const rows = await made.alice<{ row: string }>(
        tenant.placement,
        `select replace(t::text, $1, 'tenant') as row from ${tenant.placement.schema}.${name} as t where t.tenant_id = $1::uuid order by 1`,
        [tenant.id],
      )
      found[name] = rows.map(({ row }) => row)
    }
    return found
  }

  for (const [index, isolation] of isolations.entries()) {
    const target = isolations[(index + 1) % isolations.length]!
    test(`from ${isolation} to ${target}, in every format, are equal; neighbours on both sides keep theirs, and are in no file`, async () => {
      const source = await filled(await made.tenant(isolation), 'ours')
      const beside = await filled(await made.tenant(isolation), 'theirs')
      const expected = await rowsOf(source)
      assert.ok(own.every((name) => expected[name]!.length > 0))
      for (const format of exportFormats) {
        const to = join(directory, `${isolation}-${format}`)
        // Parquet has neither infinity nor NaN for these types.
        if (format === 'parquet')
          await made.alice(
            source.placement,
            `update ${source.placement.schema}.people set seen_at = '2026-01-01', exact = 1, born = null where tenant_id = $1 and seen_at = 'infinity'`,
            [source.id],
          )
        const written = await exports.export(source.id, { to, format, compress: format === 'jsonl' })
        assert.deepEqual(
          written.tables.map(({ table, rows }) => [table, rows]),
          own.map((name) => [name, expected[name]!.length]),
        )
        for (const file of await readdir(to)) assert.ok(!(await readFile(join(to, file))).includes('theirs'), file)
        const copy = await made.tenant(target)
        const neighbour = await filled(await made.tenant(target), 'neighbour')
        const before = [await rowsOf(neighbour), await rowsOf(beside)]
        const report = await imports.import(copy.id, { from: to })
        assert.deepEqual([report.outcome, report.refused, report.written], ['done', 0, written.rows])
        assert.deepEqual(await rowsOf(copy), await rowsOf(source), format)
        assert.deepEqual([await rowsOf(neighbour), await rowsOf(beside)], before)
        // The same command again finds that it is done.
        const again = await imports.import(copy.id, { from: to })
        assert.deepEqual([again.wasDone, again.written], [true, written.rows])
      }
    })
  }
})
