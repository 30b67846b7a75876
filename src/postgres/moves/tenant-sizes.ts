// What tenants take, by PostgreSQL's own statistics: for a plan of moves over many of them. No row is read, and the number of queries is
// that of databases, not of tenants.
//
// In a schema and a database of its own a tenant's tables are told apart, and so is what is read and written there. In shared tables the
// planner's statistics of the tenant column say who has how many rows: exactly for the greatest hundred or so (most_common_vals, as many
// as default_statistics_target), and for all others the same number each. https://www.postgresql.org/docs/current/view-pg-stats.html

import type { PlacedTenant } from '../../core/placement-adapter.ts'
import type { TenantId } from '../../core/tenant.ts'
import type { TenantSize, TenantSizes } from '../../operations/moves/plan.ts'
import type { ControlConnection } from '../control-pool.ts'
import type { FleetConnections } from '../fleet-connections.ts'

export interface TenantSizesOptions {
  readonly connections: Pick<FleetConnections, 'asMigrator' | 'asAdministrator'>
}

/** Databases that are asked at the same time. */
const askedAtOnceMax = 4
/** Of a table that was never analysed, so many bytes are taken for a row. */
const bytesOfRowAssumed = 100

export class PostgresTenantSizes implements TenantSizes {
  readonly #options: TenantSizesOptions

  constructor(options: TenantSizesOptions) {
    this.#options = options
  }

  /** A database that does not answer leaves its tenants out. */
  async sizesOf(tenants: readonly PlacedTenant[], signal?: AbortSignal): Promise<ReadonlyMap<TenantId, TenantSize>> {
    const sizes = new Map<TenantId, TenantSize>()
    const places = Map.groupBy(tenants, ({ placement: { database, isolation } }) => `${database} ${isolation === 'pooled'}`).values()
    const line = async (): Promise<void> => {
      for (const housed of places) {
        signal?.throwIfAborted()
        const found = await this.#sizesAt(housed).catch(() => [])
        for (const [id, size] of found) sizes.set(id, size)
      }
    }
    await Promise.all(Array.from({ length: askedAtOnceMax }, line))
    return sizes
  }

  async #sizesAt(housed: readonly PlacedTenant[]): Promise<readonly (readonly [TenantId, TenantSize])[]> {
    const { placement } = housed[0]!
    const { connections } = this.#options
    if (placement.isolation !== 'pooled')
      return await connections.asMigrator(placement.database, (control) => sizesOfSchemas(control, housed))
    const tables = await connections.asMigrator(placement.database, sharedTables)
    // Statistics of rows are hidden from whom policies hold for: the administrator is asked, if there is one.
    const spread =
      tables[0] === undefined
        ? undefined
        : await connections.asAdministrator(placement.server, spreads, tables[0].databaseName).catch(() => undefined)
    return housed.map((tenant) => [tenant.id, sizeInShared(tenant, tables, spread)] as const)
  }
}

/** Tenants with tables of their own, in one database. */
async function sizesOfSchemas(
  control: ControlConnection,
  housed: readonly PlacedTenant[],
): Promise<readonly (readonly [TenantId, TenantSize])[]> {
  const rows = await control.query<TenantSize & { readonly schema: string }>(
    `select n.nspname::text as schema,
            sum(case when c.reltuples >= 0 then c.reltuples else pg_relation_size(c.oid) / $2 end)::float8 as rows,
            sum(pg_total_relation_size(c.oid))::float8 as bytes,
            sum(coalesce(s.seq_tup_read, 0) + coalesce(s.idx_tup_fetch, 0) + coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0))::float8
              / greatest(1, extract(epoch from clock_timestamp() - coalesce(d.stats_reset, pg_postmaster_start_time())))::float8 as load
       from pg_catalog.pg_class as c
       join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
       join pg_catalog.pg_stat_database as d on d.datname = current_database()
       left join pg_catalog.pg_stat_user_tables as s on s.relid = c.oid
      where n.nspname = any ($1) and c.relkind = 'r'
      group by n.nspname, d.stats_reset`,
    [housed.map(({ placement }) => placement.schema), bytesOfRowAssumed],
  )
  const found = new Map(rows.map(({ schema, ...size }) => [schema, size]))
  return housed.map(({ id, placement }) => [id, found.get(placement.schema) ?? { rows: 0, bytes: 0, load: 0 }] as const)
}

interface SharedTable {
  readonly name: string
  readonly tenantColumn: string
  readonly keyType: 'uuid' | 'bigint' | 'text'
  readonly rows: number
  readonly bytes: number
  /** Of the database. */
  readonly tenants: number
  /** As PostgreSQL knows it. The catalog may have been restored elsewhere since it noted the name of its own. */
  readonly databaseName: string
}

async function sharedTables(control: ControlConnection): Promise<readonly SharedTable[]> {
  return await control.query<SharedTable>(
    `select p.table_name as name, p.tenant_column as "tenantColumn", partywall.tenant_key_type(c.oid, p.tenant_column::name) as "keyType",
            sum(case when m.reltuples >= 0 then m.reltuples else pg_relation_size(m.oid) / $1 end)::float8 as rows,
            sum(pg_total_relation_size(m.oid))::float8 as bytes,
            (select count(*) from partywall.gates)::float8 as tenants, current_database()::text as "databaseName"
       from partywall.protected_tables as p
       join pg_catalog.pg_class as c on c.oid = to_regclass(p.table_name)
      cross join lateral (select c.oid union select part.relid from pg_partition_tree(c.oid) as part) as part (oid)
       join pg_catalog.pg_class as m on m.oid = part.oid and m.relkind = 'r'
      where p.table_name !~ '^t_[0-9a-f]{24}[.]'
      group by p.table_name, p.tenant_column, c.oid`,
    [bytesOfRowAssumed],
  )
}

/** Who has which part of a column's rows. */
interface Spread {
  readonly parts: ReadonlyMap<string, number>
  /** Of each who is not named. */
  readonly others: number
}

/** By `schema.table column`. */
async function spreads(admin: ControlConnection): Promise<ReadonlyMap<string, Spread>> {
  const rows = await admin.query<{ name: string; vals: readonly string[] | null; freqs: readonly number[] | null; distinct: number }>(
    `select partywall.table_name(to_regclass(format('%I.%I', s.schemaname, s.tablename))) || ' ' || p.tenant_column as name,
            s.most_common_vals::text::text[] as vals, s.most_common_freqs::float8[] as freqs,
            case when s.n_distinct >= 0 then s.n_distinct else -s.n_distinct * greatest(c.reltuples, 1) end::float8 as distinct
       from partywall.protected_tables as p
       join pg_catalog.pg_class as c on c.oid = to_regclass(p.table_name)
       join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
       join pg_catalog.pg_stats as s
         on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = p.tenant_column and s.inherited = (c.relkind = 'p')
      where p.table_name !~ '^t_[0-9a-f]{24}[.]'`,
  )
  return new Map(rows.map(({ name, ...row }) => [name, spreadOf(row)]))
}

function spreadOf({
  vals,
  freqs,
  distinct,
}: {
  vals: readonly string[] | null
  freqs: readonly number[] | null
  distinct: number
}): Spread {
  const parts = new Map((vals ?? []).map((value, at) => [value, freqs?.[at] ?? 0]))
  const named = [...parts.values()].reduce((sum, part) => sum + part, 0)
  const unnamed = Math.max(0, distinct - parts.size)
  return { parts, others: unnamed > 0 ? Math.max(0, 1 - named) / unnamed : 0 }
}

/** Without statistics everybody is taken to have the same. */
function sizeInShared(tenant: PlacedTenant, tables: readonly SharedTable[], spread: ReadonlyMap<string, Spread> | undefined): TenantSize {
  let [rows, bytes] = [0, 0]
  for (const table of tables) {
    const key = table.keyType === 'uuid' ? tenant.id : tenant.keys[table.keyType]
    if (key === undefined) continue
    const found = spread?.get(`${table.name} ${table.tenantColumn}`)
    const part = found === undefined ? 1 / Math.max(1, table.tenants) : (found.parts.get(key) ?? found.others)
    rows += part * table.rows
    bytes += part * table.bytes
  }
  return { rows: Math.round(rows), bytes: Math.round(bytes), load: undefined }
}
