// What the catalog's database has of a tenant beside the tenant's own row: API keys, domains, capabilities, and whatever table gets a
// tenant_id later. The list is read from PostgreSQL's catalogs, so that a table that is added is not forgotten.

import type { PlacedTenant, PurgeCount } from '../core/placement-adapter.ts'
import { AbortedError } from '../errors.ts'
import type { PurgeOptions, PurgeStore } from '../operations/purge-store.ts'
import type { ControlConnection } from './control-pool.ts'

/**
 * Tables that stay, each for its reason: the trail is append-only and has ids alone; tombstones are what is to remain; the journal is
 * redacted when the tenant is forgotten; grants are the record of what staff did; gates and databases go with the placement or the tenant's row.
 */
const kept: readonly string[] = ['audit_trail', 'tombstones', 'operations', 'break_glass_grants', 'gates', 'databases']

const batchRowsDefault = 5_000

export class CatalogPurgeStore implements PurgeStore {
  readonly name = 'catalog'
  readonly #migrator: ControlConnection

  /** @param migrator the migrator's login, in the catalog's database. */
  constructor(migrator: ControlConnection) {
    this.#migrator = migrator
  }

  async plan(tenant: PlacedTenant): Promise<readonly PurgeCount[]> {
    const counts: PurgeCount[] = []
    for (const { name, quoted } of await this.#tables()) {
      const [row] = await this.#migrator.query<{ count: string }>(`select count(*) as count from ${quoted} as t where t.tenant_id = $1`, [
        tenant.id,
      ])
      const count = Number(row?.count ?? 0)
      if (count > 0) counts.push({ kind: 'rows', where: name, count })
    }
    return counts
  }

  async purge(tenant: PlacedTenant, options: PurgeOptions): Promise<readonly PurgeCount[]> {
    const removed: PurgeCount[] = []
    for (const table of await this.#tables()) {
      const count = await this.#empty(table, tenant, options)
      if (count > 0) removed.push({ kind: 'rows', where: table.name, count })
    }
    return removed
  }

  async verify(tenant: PlacedTenant): Promise<readonly PurgeCount[]> {
    return await this.plan(tenant)
  }

  async #empty(table: TenantTable, tenant: PlacedTenant, options: PurgeOptions): Promise<number> {
    const batch = options.batchRows ?? batchRowsDefault
    for (let total = 0; ; ) {
      if (options.signal?.aborted === true) throw new AbortedError(`The purge stopped in ${table.name}. It can be gone on with.`)
      const rows = await this.#migrator.query<{ one: number }>(
        `delete from ${table.quoted} as t
          where t.ctid = any (array(select b.ctid from ${table.quoted} as b where b.tenant_id = $1 limit $2))
         returning 1 as one`,
        [tenant.id, batch],
      )
      total += rows.length
      if (rows.length > 0) options.onProgress?.({ kind: 'rows', where: table.name, count: rows.length })
      if (rows.length < batch) return total
    }
  }

  async #tables(): Promise<readonly TenantTable[]> {
    return await this.#migrator.query<{ name: string; quoted: string }>(
      `select n.nspname || '.' || c.relname as name, format('%I.%I', n.nspname, c.relname) as quoted
         from pg_catalog.pg_class as c
         join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
         join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
        where n.nspname = 'partywall'
          and c.relkind in ('r', 'p')
          and not c.relispartition
          and a.atttypid = 'uuid'::regtype
          and c.relname <> all ($1::text[])
        order by c.relname`,
      [kept],
    )
  }
}

interface TenantTable {
  readonly name: string
  readonly quoted: string
}
