// The rows of tenants for backups: read from a snapshot behind the policies, loaded by a login of one transfer.

import { randomUUID } from 'node:crypto'
import type {
  CompareOptions,
  LoadOptions,
  MergeOptions,
  ReplaceOptions,
  RowStream,
  SnapshotOptions,
  TableDifference,
  TableDigest,
  TenantRows,
  TenantSnapshot,
  WrittenTable,
} from '../../backup/row-source.ts'
import type { Placement } from '../../core/placement.ts'
import type { PlacedTenant } from '../../core/placement-adapter.ts'
import type { SecretStore } from '../../core/secret-store.ts'
import { ConfigurationError } from '../../errors.ts'
import { isAuditTable } from '../audit-tables.ts'
import { ControlPool } from '../control-pool.ts'
import { loadTenant } from '../copy/tenant-load.ts'
import { openTenantSnapshot, type TenantSnapshot as RowSnapshot } from '../copy/tenant-snapshot.ts'
import { databaseUrl } from '../database.ts'
import type { FleetConnections } from '../fleet-connections.ts'
import { readLedger } from '../migrations/ledger.ts'
import { roles } from '../roles.ts'
import { dropTransferLogin, ensureTransferLogin } from '../transfer-login.ts'
import { renamedRows } from './renamed-rows.ts'
import { differencesOf } from './row-differences.ts'
import { mergeRows, releaseWrites, replaceRows } from './write-rows.ts'

export interface PostgresTenantRowsOptions {
  readonly connections: FleetConnections
  readonly secrets: SecretStore
}

/** Reads and writes the rows of tenants wherever they live. */
export class PostgresTenantRows implements TenantRows {
  readonly #options: PostgresTenantRowsOptions

  constructor(options: PostgresTenantRowsOptions) {
    this.#options = options
  }

  async snapshot<T>(
    tenant: PlacedTenant,
    { concurrency, signal, from }: SnapshotOptions,
    fn: (snapshot: TenantSnapshot) => Promise<T>,
  ): Promise<T> {
    const run = async (connections: Pick<FleetConnections, 'asMigrator'>): Promise<T> =>
      await openTenantSnapshot(connections, tenant, { connections: concurrency, signal }, async (snapshot) => {
        await assertSeesOneTenant(snapshot)
        return await fn(await told(snapshot, tenant))
      })
    return from === undefined ? await run(this.#options.connections) : await elsewhere(await this.#urlOf(from, tenant), run)
  }

  async load(tenant: PlacedTenant, tables: readonly RowStream[], { signal, onTable, of, rechains = false }: LoadOptions): Promise<void> {
    const { connections, secrets } = this.#options
    const { server } = tenant.placement
    const database = await this.#databaseName(tenant.placement)
    // The login is this load's alone: two of them never share its password, and the end of one is not the end of another.
    const transfer = { id: randomUUID(), tenant }
    const sites = [{ server, databases: [database] }]
    try {
      const login = await ensureTransferLogin({ connections, secrets }, transfer, sites)
      await loadTenant({
        url: await login.url(server, database),
        tenant,
        signal,
        tables: tables.map((table) => ({
          table: table.table,
          columns: table.columns,
          rows: () => renamedRows(table, { from: of, to: tenant }, signal),
        })),
        ...(onTable && { onTable }),
        beforeCommit: async (connection, loaded) => {
          const log = loaded.find((table) => isAuditTable(table) && table.name === 'audit_log')
          if (rechains && log !== undefined) await connection.query('select partywall.rechain_audit_log($1, $2)', [log.sqlName, tenant.id])
        },
      })
    } finally {
      await dropTransferLogin({ connections, secrets }, transfer.id, sites)
    }
  }

  /** @param from A URL, or the name of a server in the catalog. Without a database in it, that which the tenant lives in now. */
  async #urlOf(from: string, { placement }: PlacedTenant): Promise<string> {
    const { connections } = this.#options
    const url = URL.parse(from.includes('://') ? from : await connections.administratorUrl(from))
    if (url === null || !/^postgres(ql)?:$/.test(url.protocol)) {
      throw new ConfigurationError(
        'The server to read from is neither a name of the catalog nor a URL: postgres://user:password@host:port/database.',
      )
    }
    const isNamed = from.includes('://') && url.pathname.length > 1
    return asOwner(isNamed ? url.href : databaseUrl(url.href, { database: await this.#databaseName(placement) }))
  }

  /** As PostgreSQL knows it: the catalog's own may have been restored under another name than the catalog has. */
  async #databaseName({ database }: Placement): Promise<string> {
    return decodeURIComponent(new URL(await this.#options.connections.migratorUrl(database)).pathname.slice(1))
  }

  async compare(left: PlacedTenant, right: PlacedTenant, { signal, ...options }: CompareOptions): Promise<readonly TableDifference[]> {
    const { connections } = this.#options
    return await openTenantSnapshot(connections, left, { connections: 1, signal }, async (ours) =>
      openTenantSnapshot(connections, right, { connections: 1, signal }, async (theirs) => differencesOf(ours, theirs, options)),
    )
  }

  async merge(tenant: PlacedTenant, tables: readonly RowStream[], options: MergeOptions): Promise<readonly WrittenTable[]> {
    return await mergeRows(this.#options.connections, tenant, tables, options)
  }

  async replace(tenant: PlacedTenant, tables: readonly RowStream[], options: ReplaceOptions): Promise<readonly WrittenTable[]> {
    return await replaceRows(this.#options.connections, tenant, tables, options)
  }

  async release(tenant: PlacedTenant): Promise<void> {
    await releaseWrites(this.#options.connections, tenant)
  }

  async digests(tenant: PlacedTenant): Promise<readonly TableDigest[]> {
    return await this.snapshot(tenant, { concurrency: 2 }, async ({ tables }) => {
      const digests: TableDigest[] = []
      for (const table of tables) digests.push(await table.digest())
      return digests
    })
  }
}

/**
 * On another server nobody has seen to it that policies hold. A snapshot through a login for which they do not would have everybody's
 * rows in it, and the tables' other tenants are counted by no one.
 */
async function assertSeesOneTenant(snapshot: RowSnapshot): Promise<void> {
  const [who] = await snapshot.read((connection) =>
    connection.query<{ name: string; bypasses: boolean }>(
      'select r.rolname as name, r.rolsuper or r.rolbypassrls as bypasses from pg_catalog.pg_roles as r where r.rolname = current_user',
    ),
  )
  if (who?.bypasses === false && who.name === roles.owner) return
  throw new ConfigurationError(`Rows would be read as ${who?.name}, for whom policies do not hold. They are read as ${roles.owner} alone.`)
}

async function told(snapshot: RowSnapshot, { placement }: PlacedTenant): Promise<TenantSnapshot> {
  const ledger = await snapshot.read((connection) => readLedger(connection, [placement.schema]))
  return {
    at: snapshot.takenAt,
    lsn: snapshot.lsn,
    postgres: snapshot.serverVersion,
    version: ledger.at(-1)?.version,
    tables: snapshot.tables.map((table) => ({
      table: table.name,
      columns: table.copied,
      tenantColumn: table.tenantColumn,
      tenantType: table.tenantType,
      rowsEstimate: table.rowsEstimated,
      rows: () => snapshot.copyOut(table),
      digest: async () => {
        const { rows, checksum } = await snapshot.digest(table)
        return { table: table.name, rows, digest: checksum }
      },
    })),
  }
}

/** Runs `fn` with connections to one database of another server. */
async function elsewhere<T>(connectionString: string, fn: (connections: Pick<FleetConnections, 'asMigrator'>) => Promise<T>): Promise<T> {
  const control = new ControlPool({ connectionString, applicationName: 'partywall backup', statementTimeoutMs: 0 })
  try {
    return await fn({ asMigrator: async (_database, work) => await work(control) })
  } finally {
    await control.close()
  }
}

/** Whoever logs in reads as the owner, for whom policies hold. */
function asOwner(text: string): string {
  const url = new URL(text)
  const options = url.searchParams.get('options')
  url.searchParams.set('options', `${options === null ? '' : `${options} `}-crole=${roles.owner}`)
  return url.href
}
