// Writes a tenant's rows to files, one for each table, as of one moment: a line of JSON for each row. Memory is bounded however
// many rows there are: a cursor is read in pieces, and each piece is written before the next is read.

import { createHash } from 'node:crypto'
import { mkdir, open, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PlacedTenant } from '../core/placement-adapter.ts'
import { AbortedError } from '../errors.ts'
import type { ExportedTable, ExportOptions, TenantExport, TenantExporter } from '../operations/tenant-exporter.ts'
import type { ControlConnection, ControlPool } from './control-pool.ts'

/** Lends connections of the migrator's login to the database where a tenant lives. */
export type LendMigrator = <T>(database: string, fn: (control: ControlPool) => Promise<T>) => Promise<T>

export interface TenantExportOptions {
  readonly asMigrator: LendMigrator
  /** Rows that are in memory at a time. Default 500. */
  readonly batchRows?: number | undefined
}

/** Exports to a directory of the machine that runs it: `to` is its path. */
export class DirectoryTenantExporter implements TenantExporter {
  readonly #options: TenantExportOptions

  constructor(options: TenantExportOptions) {
    this.#options = options
  }

  async export(tenant: PlacedTenant, options: ExportOptions): Promise<TenantExport> {
    // Rows of a tenant are nobody else's business on this machine either.
    await mkdir(options.to, { recursive: true, mode: 0o700 })
    const tables = await this.#options.asMigrator(
      tenant.placement.database,
      async (control) =>
        await control.transaction(async (connection) => {
          await connection.query('set transaction isolation level repeatable read')
          const capability = await bindForReading(connection, tenant)
          const written: ExportedTable[] = []
          for (const table of await tablesOf(connection, tenant)) {
            written.push(await this.#exportTable(connection, table, options))
          }
          await connection.query('delete from partywall.capabilities as c where c.capability = $1', [capability])
          return written
        }),
    )
    return await writeManifest(tenant, tables, options.to)
  }

  async #exportTable(connection: ControlConnection, table: TableName, options: ExportOptions): Promise<ExportedTable> {
    const file = `${table.name.replace(/[^A-Za-z0-9_.-]/g, '_')}.ndjson`
    const path = join(options.to, file)
    const handle = await open(`${path}.part`, 'w', 0o600)
    const hash = createHash('sha256')
    let [rows, bytes] = [0, 0]
    try {
      // A cursor's name is ours, and the table's is quoted by PostgreSQL itself.
      await connection.query(`declare partywall_export no scroll cursor for select to_jsonb(t)::text as line from ${table.quoted} as t`)
      for (;;) {
        if (options.signal?.aborted === true) throw new AbortedError(`The export stopped in ${table.name}. Repeat it: it begins anew.`)
        const piece = await connection.query<{ line: string }>(
          `fetch ${Math.max(1, Math.trunc(this.#options.batchRows ?? 500))} from partywall_export`,
        )
        if (piece.length === 0) break
        const text = Buffer.from(`${piece.map(({ line }) => line).join('\n')}\n`)
        hash.update(text)
        await handle.writeFile(text)
        rows += piece.length
        bytes += text.byteLength
        options.onProgress?.(`${table.name}: ${rows} rows written`)
      }
      await connection.query('close partywall_export')
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(`${path}.part`, path)
    return { table: table.name, file, rows, bytes, sha256: hash.digest('hex') }
  }
}

interface TableName {
  readonly name: string
  readonly quoted: string
}

/**
 * The tenant's gate is closed, and the policies hold for the migrator too. So this transaction has a capability of its own, which lets
 * it read. It is deleted before the commit, and a crash rolls it back: nobody else ever sees it.
 */
async function bindForReading(connection: ControlConnection, tenant: PlacedTenant): Promise<string> {
  const [issued] = await connection.query<{ capability: string }>(
    `insert into partywall.capabilities (capability, tenant_id, state, expires_at, issued_to, key_bigint, key_text)
     select gen_random_uuid(), g.tenant_id, 'read_only', 'infinity', 'export', g.key_bigint, g.key_text
       from partywall.gates as g
      where g.tenant_id = $1
     returning capability`,
    [tenant.id],
  )
  // Without a gate there is nobody to read for: bind() refuses what is not known.
  const capability = issued?.capability ?? '00000000-0000-0000-0000-000000000000'
  await connection.query('select partywall.bind($1)', [capability])
  return capability
}

/** Tables behind the wall in the tenant's schema; the wall shows the tenant's rows alone. */
async function tablesOf(connection: ControlConnection, tenant: PlacedTenant): Promise<readonly TableName[]> {
  return await connection.query<{ name: string; quoted: string }>(
    `select c.relname as name, format('%I.%I', n.nspname, c.relname) as quoted
       from partywall.protected_tables as p
       join pg_catalog.pg_class as c on c.oid = to_regclass(p.table_name)
       join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      where n.nspname = $1
      order by c.relname`,
    [tenant.placement.schema],
  )
}

async function writeManifest(tenant: PlacedTenant, tables: readonly ExportedTable[], directory: string): Promise<TenantExport> {
  const manifest = join(directory, 'manifest.json')
  const text = `${JSON.stringify({ version: 1, tenant: tenant.id, format: 'ndjson', tables }, null, 2)}\n`
  await writeFile(`${manifest}.part`, text, { mode: 0o600 })
  await rename(`${manifest}.part`, manifest)
  return { tables, manifest, sha256: createHash('sha256').update(text).digest('hex') }
}
