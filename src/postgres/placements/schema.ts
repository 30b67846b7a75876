// `schema`: tables of the tenant's own, in a database that holds many such schemas.

import { type Placement, schemaNameOf } from '../../core/placement.ts'
import type {
  EmptyOptions,
  GateState,
  PlacedTenant,
  PlacementAdapter,
  PlacementFacts,
  PlacementFinding,
  PlaceOptions,
  PurgeCount,
} from '../../core/placement-adapter.ts'
import { AbortedError } from '../../errors.ts'
import { roles } from '../roles.ts'
import { chooseSharedDatabase, type Newcomer } from './choosing.ts'
import { moveGate } from './gate.ts'
import { dropSchema, fillSchema, findSchema, findSchemaOf, type OwnSchema, reserved, reserveSchema, schemaRemains } from './own-schema.ts'
import { commonFindings, describePlace, placeInCatalog } from './place-facts.ts'
import { alone, inCatalog, only, type PlacementSite, told } from './placement-site.ts'
import { ownSchemaFindings } from './schema-findings.ts'
import { takeSchema } from './stock-taking.ts'
import { deleteRows } from './tenant-rows.ts'

type Identified = Newcomer & { readonly id: NonNullable<Newcomer['id']> }

export class SchemaPlacement implements PlacementAdapter {
  readonly isolation = 'schema'
  readonly #site: PlacementSite

  constructor(site: PlacementSite) {
    this.#site = site
  }

  async place(tenant: Identified, options: PlaceOptions = {}): Promise<Placement> {
    return await alone(this.#site, `places ${tenant.region}`, async (catalog) => {
      const placed = await placeInCatalog(catalog, tenant.id, 'schema')
      if (placed !== undefined) return placed
      const found = (await findSchemaOf(catalog, tenant.id)) ?? (await takeSchema(catalog, tenant, options))
      if (found !== undefined) return placementOf(found)
      const { server, database } = await chooseSharedDatabase(catalog, 'schema', tenant, options)
      const schema = schemaNameOf(tenant.id)
      await reserveSchema(catalog, { database, schema, tenantId: tenant.id })
      return { isolation: 'schema', server, database, schema }
    })
  }

  async provision(tenant: PlacedTenant, signal?: AbortSignal): Promise<void> {
    const { id, keys, placement } = tenant
    const { database, schema } = placement
    await alone(this.#site, `schema ${database} ${schema}`, async (catalog) => {
      const own = reserved(await findSchema(catalog, database, schema), id)
      if (own.state === 'ready') return
      if (signal?.aborted) throw new AbortedError('Provisioning was cancelled.')
      await fillSchema(this.#site, own, (control) =>
        control.query('select partywall.take_schema($1, $2, $3, $4)', [id, schema, keys.bigint, keys.text]),
      )
      const { version } = this.#site.migrations
      await catalog.query(`update partywall.schemas set state = 'ready', version = $3 where database_name = $1 and schema_name = $2`, [
        database,
        schema,
        version,
      ])
      await catalog.query(
        `update partywall.tenants as t set version = $2
          where t.id = $1 and t.database_name = $4 and t.schema_name = $3 and t.version is distinct from $2`,
        [id, version, schema, database],
      )
    })
  }

  async setGate(tenant: PlacedTenant, state: GateState): Promise<void> {
    await moveGate(this.#site, tenant, state)
  }

  /**
   * A statement in progress holds locks on the tables that it reads, and tables of this schema are this tenant's alone. Whoever
   * else holds one has named the schema from another tenant's session, and has no business there.
   */
  async endStatements({ placement }: PlacedTenant): Promise<number> {
    const { server, database, schema } = placement
    const rows = await this.#site.reader.query<{ name: string }>(
      'select d.database_name as name from partywall.databases as d where d.name = $1',
      [database],
    )
    return await told(() =>
      this.#site.connections.asAdministrator(
        server,
        async (admin) => {
          const ended = await admin.query(
            `select pg_cancel_backend(a.pid)
               from pg_catalog.pg_stat_activity as a
              where a.datname = current_database() and a.usename = $2 and a.state = 'active'
                and exists (
                  select from pg_catalog.pg_locks as l
                    join pg_catalog.pg_class as c on c.oid = l.relation
                   where l.pid = a.pid and l.locktype = 'relation'
                     and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
                     and c.relnamespace = to_regnamespace($1)
                )`,
            [schema, roles.app],
          )
          return ended.length
        },
        only(rows).name,
      ),
    )
  }

  async describe(tenant: PlacedTenant): Promise<PlacementFacts> {
    return await describePlace(this.#site, tenant, false)
  }

  async verify(tenant: PlacedTenant): Promise<readonly PlacementFinding[]> {
    return [...(await commonFindings(this.#site, tenant)), ...(await ownSchemaFindings(this.#site, tenant))]
  }

  async empty(tenant: PlacedTenant, options: EmptyOptions = {}): Promise<readonly PurgeCount[]> {
    const { database, schema } = tenant.placement
    return await told(() => this.#site.connections.asMigrator(database, (control) => deleteRows(control, tenant, { ...options, schema })))
  }

  async drop(tenant: PlacedTenant, options: EmptyOptions = {}): Promise<readonly PurgeCount[]> {
    const { database, schema } = tenant.placement
    await inCatalog(this.#site, (catalog) =>
      catalog.query(`update partywall.schemas set state = 'dropping' where database_name = $1 and schema_name = $2 and tenant_id = $3`, [
        database,
        schema,
        tenant.id,
      ]),
    )
    return await alone(this.#site, `schema ${database} ${schema}`, async (catalog) => {
      const gone = await dropSchema(this.#site, { database, schema }, tenant.id, options.signal)
      await this.#site.onStep('schema dropped')
      await catalog.query('delete from partywall.schemas where database_name = $1 and schema_name = $2 and tenant_id = $3', [
        database,
        schema,
        tenant.id,
      ])
      return [
        { kind: 'tables', where: `${database} ${schema}`, count: gone.tables },
        { kind: 'schema', where: `${database} ${schema}`, count: gone.isDropped ? 1 : 0 },
        { kind: 'gate', where: database, count: gone.hadGate ? 1 : 0 },
      ].filter(({ count }) => count > 0)
    })
  }

  async remains(tenant: PlacedTenant): Promise<readonly PurgeCount[]> {
    const { database, schema } = tenant.placement
    const left = await told(() => this.#site.connections.asMigrator(database, (control) => schemaRemains(control, schema, tenant.id)))
    const reservation = await findSchema(this.#site.reader, database, schema)
    return [
      ...(['tables', 'schema', 'records', 'gate'] as const).map((kind) => ({ kind, where: `${database} ${schema}`, count: left[kind] })),
      { kind: 'reservation', where: 'catalog', count: reservation?.tenantId === tenant.id ? 1 : 0 },
    ].filter(({ count }) => count > 0)
  }
}

function placementOf({ server, database, schema }: OwnSchema): Placement {
  return { isolation: 'schema', server, database, schema }
}
