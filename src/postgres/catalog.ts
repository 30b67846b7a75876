// The catalog in PostgreSQL. Reads go over the gatekeeper's login, writes over the migrator's: an application that only
// serves tenants never holds the latter. Epoch, gate and notification are the tables' own triggers (sql/catalog/0002-catalog.sql).

import { AsyncLocalStorage } from 'node:async_hooks'
import { v7 as uuidv7 } from 'uuid'
import type { Catalog, NewTenant, TenantChangeListener, TenantListOptions, TenantLookup, TenantPage, TenantPatch } from '../core/catalog.ts'
import { deepFreeze } from '../core/deep-freeze.ts'
import { type Json, parseTenantId, type Tenant, type TenantId, type TenantKeys, type TenantStatus } from '../core/tenant.ts'
import {
  assertNeverOpened,
  checkedEpoch,
  checkedListOptions,
  checkedNewTenant,
  checkedSha256,
  checkedStatus,
  checkedTenantPatch,
} from '../core/tenant-input.ts'
import { keyIsSet } from '../core/tenant-key.ts'
import {
  ConfigurationError,
  InvalidInputError,
  RegionMismatchError,
  StaleTenantError,
  TenantExistsError,
  TenantNotFoundError,
} from '../errors.ts'
import { CatalogWatch } from './catalog-watch.ts'
import type { ControlConnection, ControlPool } from './control-pool.ts'

export interface PostgresCatalogOptions {
  /** The gatekeeper's login. */
  readonly reader: ControlPool
  /** The migrator's login. Without it tenants can be read, not changed. */
  readonly writer?: ControlPool | undefined
  /** For how long notifications are collected. Default 20. */
  readonly watchDebounceMs?: number | undefined
  /** The first wait before a broken watch connects again; it doubles up to 10 s. Default 100. */
  readonly watchRetryMsMin?: number | undefined
}

/** @see Catalog */
export class PostgresCatalog implements Catalog {
  readonly #reader: ControlPool
  readonly #writer: ControlPool | undefined
  readonly #options: PostgresCatalogOptions

  constructor(options: PostgresCatalogOptions) {
    this.#reader = options.reader
    this.#writer = options.writer
    this.#options = options
  }

  async find(lookup: TenantLookup): Promise<Tenant | undefined> {
    return await findTenant(this.#reader, lookup)
  }

  async create(input: NewTenant): Promise<Tenant> {
    const tenant = checkedNewTenant(input)
    const id = tenant.id ?? parseTenantId(uuidv7())
    const { isolation, database, schema } = tenant.placement
    const insert = `insert into partywall.tenants as t (id, slug, name, plan, region, isolation, features, settings, encryption_key_id,
                                                        key_bigint, key_text, database_name, schema_name, status, parent_id)
         values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9, $10, $11, $12, $13, $14, $15)
         returning t.*`
    const values = [
      id,
      tenant.slug,
      tenant.name,
      tenant.plan,
      tenant.region,
      isolation,
      JSON.stringify(tenant.features),
      JSON.stringify(tenant.settings),
      tenant.encryptionKeyId,
      tenant.keys.bigint,
      tenant.keys.text,
      database,
      schema,
      tenant.status,
      tenant.parentId,
    ]
    if (tenant.domains.length === 0) return await this.#writeOne(id, insert, values)
    return await this.#write(async (connection) => {
      await connection.query(insert, values)
      await addDomains(connection, id, tenant.domains)
      return await existing(connection, id)
    })
  }

  async update(id: TenantId, patch: TenantPatch, ifEpoch?: number): Promise<Tenant> {
    parseTenantId(id)
    const changed = checkedTenantPatch(patch)
    const epoch = checkedEpoch(ifEpoch)
    return await this.#write(async (connection) => {
      const updated = await connection.query(
        `update partywall.tenants as t
            set slug = coalesce($2, t.slug),
                name = coalesce($3, t.name),
                plan = coalesce($4, t.plan),
                region = coalesce($5, t.region),
                features = coalesce($6::jsonb, t.features),
                settings = coalesce($7::jsonb, t.settings),
                encryption_key_id = coalesce($8, t.encryption_key_id),
                key_bigint = coalesce($10::bigint, t.key_bigint),
                key_text = coalesce($11, t.key_text),
                isolation = coalesce($12, t.isolation),
                database_name = coalesce($13, t.database_name),
                schema_name = coalesce($14, t.schema_name),
                parent_id = case when $15 then $16::uuid else t.parent_id end
          where t.id = $1
            and ($9::bigint is null or t.epoch = $9::bigint)
         returning t.id`,
        [
          id,
          changed.slug,
          changed.name,
          changed.plan,
          changed.region,
          changed.features && JSON.stringify(changed.features),
          changed.settings && JSON.stringify(changed.settings),
          changed.encryptionKeyId,
          epoch,
          changed.keys?.bigint,
          changed.keys?.text,
          changed.placement?.isolation,
          changed.placement?.database,
          changed.placement?.schema,
          changed.parentId !== undefined,
          changed.parentId,
        ],
      )
      if (updated.length === 0) {
        const tenant = await existing(connection, id)
        throw new StaleTenantError(`Tenant ${id} is at epoch ${tenant.epoch}, not ${epoch}. Read it again and repeat the change.`)
      }
      if (changed.domains !== undefined) await replaceDomains(connection, id, changed.domains)
      return await existing(connection, id)
    })
  }

  async setStatus(id: TenantId, status: TenantStatus): Promise<Tenant> {
    parseTenantId(id)
    const checked = checkedStatus(status)
    return await this.#writeOne(id, 'update partywall.tenants as t set status = $2 where t.id = $1 returning t.*', [id, checked])
  }

  async remove(id: TenantId): Promise<void> {
    parseTenantId(id)
    await this.#write(async (connection) => {
      const tenant = await existing(connection, id)
      if (tenant.status !== 'offboarding') {
        throw new InvalidInputError(`Tenant ${id} is ${tenant.status}: only one that is being off-boarded is removed.`)
      }
      await connection.query(
        `insert into partywall.tombstones (tenant_id, slug_sha256)
         select t.id, sha256(convert_to(t.slug, 'UTF8')) from partywall.tenants as t where t.id = $1`,
        [id],
      )
      await connection.query('delete from partywall.tenants as t where t.id = $1', [id])
      await connection.query('delete from partywall.gates as g where g.tenant_id = $1', [id])
    })
  }

  async discard(id: TenantId): Promise<void> {
    parseTenantId(id)
    await this.#write(async (connection) => {
      assertNeverOpened(await existing(connection, id))
      await connection.query(`delete from partywall.tenants as t where t.id = $1 and t.status = 'onboarding'`, [id])
      await connection.query('delete from partywall.gates as g where g.tenant_id = $1', [id])
    })
  }

  async noteCertificate(id: TenantId, sha256: string): Promise<void> {
    parseTenantId(id)
    const hash = Buffer.from(checkedSha256(sha256), 'hex')
    await this.#write(async (connection) => {
      const [row] = await connection.query<{ certificate_sha256: Buffer }>(
        `update partywall.tombstones as gone
            set certificate_sha256 = coalesce(gone.certificate_sha256, $2)
          where gone.tenant_id = $1
         returning gone.certificate_sha256`,
        [id, hash],
      )
      if (row === undefined) throw new TenantNotFoundError(`No tenant ${id} was removed.`)
      if (!hash.equals(row.certificate_sha256)) throw new InvalidInputError(`The purge of tenant ${id} has another certificate.`)
    })
  }

  async list(options: TenantListOptions = {}): Promise<TenantPage> {
    const { limit, after, status, plan, region, isolation, database, parentId } = checkedListOptions(options)
    const rows = await this.#reader.query<TenantRow>(
      `${selectTenant}
        where ($1::uuid is null or t.id > $1::uuid)
          and ($2::text is null or t.status = $2::text)
          and ($3::text is null or t.plan = $3::text)
          and ($4::text is null or t.region = $4::text)
          and ($5::text is null or t.isolation = $5::text)
          and ($6::text is null or t.database_name = $6::text)
          and ($7::uuid is null or t.parent_id = $7::uuid)
        order by t.id
        limit $8`,
      [after, status, plan, region, isolation, database, parentId, limit + 1],
    )
    const tenants = rows.slice(0, limit).map(tenantOf)
    return { tenants, next: rows.length > limit ? tenants.at(-1)?.id : undefined }
  }

  async watch(listener: TenantChangeListener): Promise<() => Promise<void>> {
    // A notification arrives in the socket's context, which is nobody's business.
    const inOwnContext = AsyncLocalStorage.snapshot()
    const watch = new CatalogWatch({
      pool: this.#reader,
      onChange: (ids) => inOwnContext(listener, ids),
      debounceMs: this.#options.watchDebounceMs,
      retryMsMin: this.#options.watchRetryMsMin,
    })
    try {
      await watch.start()
    } catch (error) {
      await watch.close()
      throw error
    }
    return () => watch.close()
  }

  /** A change of one row and its new state, in one round trip: onboarding is made of these. */
  async #writeOne(id: TenantId, change: string, values: readonly unknown[]): Promise<Tenant> {
    return await this.#writing(async (writer) => {
      const text = `with changed as (${change}) ${selectTenant.replace('from partywall.tenants as t', 'from changed as t')}`
      const [row] = await writer.query<TenantRow>(text, values)
      if (row === undefined) throw new TenantNotFoundError(`There is no tenant ${id}.`)
      return tenantOf(row)
    })
  }

  async #write<T>(fn: (connection: ControlConnection) => Promise<T>): Promise<T> {
    return await this.#writing(async (writer) => await writer.transaction(fn))
  }

  async #writing<T>(fn: (writer: ControlPool) => Promise<T>): Promise<T> {
    if (this.#writer === undefined) {
      throw new ConfigurationError(
        'Tenants cannot be changed over the login of partywall_gatekeeper. Give the connection URL of partywall_migrator too.',
      )
    }
    try {
      return await fn(this.#writer)
    } catch (error) {
      throw asCatalogError(error)
    }
  }
}

interface TenantRow {
  readonly id: string
  readonly slug: string
  readonly name: string
  readonly plan: string
  readonly region: string
  readonly isolation: string
  readonly server_name: string
  readonly database_name: string
  readonly schema_name: string
  readonly version: string | null
  readonly parent_id: string | null
  readonly status: string
  readonly features: Record<string, Json>
  readonly settings: Record<string, Json>
  readonly domains: string[]
  readonly encryption_key_id: string | null
  readonly key_bigint: string | null
  readonly key_text: string | null
  readonly epoch: string
  readonly created_at: Date
  readonly updated_at: Date
}

const selectTenant = `
  select t.id, t.slug, t.name, t.plan, t.region, t.isolation, d.server_name, t.database_name, t.schema_name, coalesce(t.version, d.version) as version, t.parent_id, t.status, t.features, t.settings,
         array(select d.domain from partywall.tenant_domains as d where d.tenant_id = t.id order by d.domain) as domains,
         t.encryption_key_id, t.key_bigint, t.key_text, t.epoch, t.created_at, t.updated_at
    from partywall.tenants as t
    join partywall.databases as d on d.name = t.database_name`

async function findTenant(connection: ControlConnection, lookup: TenantLookup): Promise<Tenant | undefined> {
  const [where, value] = condition(lookup)
  const [row] = await connection.query<TenantRow>(`${selectTenant} where ${where}`, [value])
  return row && tenantOf(row)
}

function condition(lookup: TenantLookup): readonly [where: string, value: string] {
  switch (lookup.kind) {
    case 'id':
      return ['t.id = $1', lookup.id]
    case 'slug':
      return ['t.slug = $1', lookup.slug]
    case 'domain':
      return ['t.id = (select d.tenant_id from partywall.tenant_domains as d where d.domain = $1)', lookup.domain]
  }
}

/** @throws {TenantNotFoundError} */
async function existing(connection: ControlConnection, id: TenantId): Promise<Tenant> {
  const tenant = await findTenant(connection, { kind: 'id', id })
  if (tenant === undefined) throw new TenantNotFoundError(`There is no tenant ${id}.`)
  return tenant
}

async function replaceDomains(connection: ControlConnection, id: TenantId, domains: readonly string[]): Promise<void> {
  await connection.query('delete from partywall.tenant_domains as d where d.tenant_id = $1 and d.domain <> all ($2::text[])', [id, domains])
  await addDomains(connection, id, domains)
}

/** Adds those that the tenant does not have yet; one that another tenant has breaks the primary key. */
async function addDomains(connection: ControlConnection, id: TenantId, domains: readonly string[]): Promise<void> {
  if (domains.length === 0) return
  await connection.query(
    `insert into partywall.tenant_domains (domain, tenant_id)
     select new.domain, $1
       from unnest($2::text[]) as new (domain)
      where not exists (select 1 from partywall.tenant_domains as d where d.domain = new.domain and d.tenant_id = $1)
      order by new.domain`,
    [id, domains],
  )
}

function tenantOf(row: TenantRow): Tenant {
  return deepFreeze({
    id: row.id as TenantId,
    slug: row.slug as Tenant['slug'],
    name: row.name,
    plan: row.plan,
    region: row.region,
    placement: {
      isolation: row.isolation as Tenant['placement']['isolation'],
      server: row.server_name,
      database: row.database_name,
      schema: row.schema_name,
    },
    version: row.version ?? undefined,
    parentId: (row.parent_id as TenantId | null) ?? undefined,
    status: row.status as TenantStatus,
    features: row.features,
    ownFeatures: row.features,
    settings: row.settings,
    domains: row.domains,
    encryptionKeyId: row.encryption_key_id ?? undefined,
    keys: keysOf(row),
    epoch: Number(row.epoch),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  })
}

function keysOf(row: TenantRow): TenantKeys {
  return { ...(row.key_bigint !== null && { bigint: row.key_bigint }), ...(row.key_text !== null && { text: row.key_text }) }
}

const takenThings: ReadonlyMap<string, string> = new Map([
  ['tenants_slug_key', 'slug'],
  ['tenant_domains_pkey', 'domain'],
  ['tenants_key_bigint_key', 'bigint key'],
  ['tenants_key_text_key', 'text key'],
  ['gates_key_bigint_key', 'bigint key'],
  ['gates_key_text_key', 'text key'],
])

/** What the tables' constraints say, in the catalog's words. The value is not repeated: it may be another tenant's. */
function asCatalogError(error: unknown): unknown {
  const { code, constraint } = error as { readonly code?: unknown; readonly constraint?: unknown }
  if (code === 'PW011') return new RegionMismatchError(`${(error as Error).message}.`, { cause: error })
  if (code === '23505' && constraint === 'tombstones_key') {
    return new TenantExistsError('The id or the name was that of a tenant that is gone.', { cause: error })
  }
  if (code === '23503' && constraint === 'tenants_database_name_fkey') {
    return new InvalidInputError('placement.database is not in the catalog.', { cause: error })
  }
  if (code === '23503' && constraint === 'tenants_parent_id_fkey') {
    return new InvalidInputError('The parent is not there, or the tenant is above others: give them another parent first.', {
      cause: error,
    })
  }
  if (code === '23505') {
    return new TenantExistsError(`A tenant with this ${takenThings.get(String(constraint)) ?? 'id'} exists already.`, { cause: error })
  }
  if (code === '23514' && constraint === 'gates_keys_once') return keyIsSet({ cause: error })
  if (code === '23514') return new InvalidInputError(`The catalog refuses the value (${String(constraint)}).`, { cause: error })
  return error
}
