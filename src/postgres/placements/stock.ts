// Places made in advance, so that a new tenant waits for nothing but its name on one of them. The names of such places are drawn
// by chance and stay: nothing is renamed when a tenant comes, and a name says nothing of anybody.

import { InvalidInputError } from '../../errors.ts'
import { assertServerIsFree, chooseServer, chooseSharedDatabase, type Newcomer } from './choosing.ts'
import {
  drawDatabaseName,
  findOwnDatabase,
  known,
  makeDatabase,
  migrateDatabase,
  reserveDatabase,
  stockSecretName,
} from './own-database.ts'
import { drawSchemaName, fillSchema, findSchema, reserveSchema } from './own-schema.ts'
import { alone, type PlacementSite } from './placement-site.ts'
import { provisionerOf } from './server.ts'
import type { Templates } from './template.ts'

export interface StockRequest {
  /** A pooled tenant needs nothing that could be made in advance. */
  readonly isolation: 'schema' | 'database' | 'server'
  readonly region: string
  /** How many are to wait. */
  readonly count: number
  /** Told after each that was made, how many that are. */
  readonly onMade?: ((made: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** More than this at once is a fleet of its own. */
const stockMax = 1_000

export class Stock {
  readonly #site: PlacementSite
  readonly #templates: Templates
  #filling: Promise<unknown> = Promise.resolve()

  constructor(site: PlacementSite, templates: Templates) {
    this.#site = site
    this.#templates = templates
  }

  /** How many wait. */
  async count({ isolation, region }: Pick<StockRequest, 'isolation' | 'region'>): Promise<number> {
    return (await this.#waiting(isolation, region)).ready
  }

  /**
   * Makes places until `count` wait. What a killed run left half-made is finished first.
   *
   * @returns how many were made.
   * @throws {RegionMismatchError} {@link CapacityError}
   */
  async fill(request: StockRequest): Promise<number> {
    if (!Number.isInteger(request.count) || request.count < 0 || request.count > stockMax) {
      throw new InvalidInputError(`The stock's count is ${request.count}; it must be between 0 and ${stockMax}.`)
    }
    // One at a time here, each of which holds a connection to the catalog; between processes the catalog's lock says so.
    const filling = this.#filling.then(() => alone(this.#site, `stock ${request.isolation} ${request.region}`, () => this.#fill(request)))
    this.#filling = filling.catch(() => {})
    return await filling
  }

  async #fill({ isolation, region, count, onMade, signal }: StockRequest): Promise<number> {
    const { ready, unfinished } = await this.#waiting(isolation, region)
    let made = 0
    for (const name of unfinished) {
      if (signal?.aborted) return made
      await this.#finish(isolation, name)
      made += 1
      onMade?.(made)
    }
    while (ready + made < count && !signal?.aborted) {
      await this.#finish(isolation, await this.#reserve(isolation, region))
      made += 1
      onMade?.(made)
    }
    return made
  }

  async #reserve(isolation: StockRequest['isolation'], region: string): Promise<PlaceName> {
    const newcomer: Newcomer = { id: undefined, region }
    const acquired =
      isolation === 'server' ? await provisionerOf(this.#site).acquire({ tenantId: undefined, region, labels: {} }) : undefined
    return await alone(this.#site, `places ${region}`, async (catalog) => {
      if (isolation === 'schema') {
        const { database } = await chooseSharedDatabase(catalog, 'schema', newcomer, {})
        const schema = drawSchemaName()
        await reserveSchema(catalog, { database, schema, tenantId: undefined })
        return { database, schema }
      }
      if (acquired !== undefined) await assertServerIsFree(catalog, newcomer, acquired)
      const name = drawDatabaseName()
      const server = acquired ?? (await chooseServer(catalog, newcomer, {}))
      await reserveDatabase(catalog, { name, server, tenantId: undefined, secretName: stockSecretName(name) })
      return { database: name, schema: undefined }
    })
  }

  async #finish(isolation: StockRequest['isolation'], { database, schema }: PlaceName): Promise<void> {
    const { version } = this.#site.migrations
    await alone(this.#site, `${isolation === 'schema' ? 'schema' : 'database'} ${database} ${schema ?? ''}`.trim(), async (catalog) => {
      if (schema !== undefined) {
        const own = await findSchema(catalog, database, schema)
        if (own === undefined || own.state !== 'provisioning' || own.tenantId !== null) return
        await fillSchema(this.#site, own, (control) => control.query('select partywall.make_stock_schema($1)', [schema]))
        await catalog.query(`update partywall.schemas set state = 'stock', version = $3 where database_name = $1 and schema_name = $2`, [
          database,
          schema,
          version,
        ])
        return
      }
      const own = known(await findOwnDatabase(catalog, database), database)
      if (own.state !== 'provisioning' || own.tenantId !== null) return
      await makeDatabase(this.#site, this.#templates, own)
      await migrateDatabase(this.#site, own)
      await catalog.query(`update partywall.databases set state = 'stock', version = $2 where name = $1`, [database, version])
    })
  }

  async #waiting(isolation: StockRequest['isolation'], region: string): Promise<{ ready: number; unfinished: readonly PlaceName[] }> {
    const rows = await this.#site.reader.query<PlaceName & { state: string }>(
      isolation === 'schema'
        ? `select o.database_name as database, o.schema_name as schema, o.state
             from partywall.schemas as o
             join partywall.databases as d on d.name = o.database_name
             join partywall.servers as s on s.name = d.server_name
            where o.tenant_id is null and o.state in ('stock', 'provisioning') and s.region = $1 and $2::boolean is not null`
        : `select d.name as database, d.state
             from partywall.databases as d
             join partywall.servers as s on s.name = d.server_name
            where d.holds = 'tenant' and d.tenant_id is null and d.state in ('stock', 'provisioning') and s.region = $1
              and (s.tenants_max is not distinct from 1) = $2`,
      [region, isolation === 'server'],
    )
    return { ready: rows.filter(({ state }) => state === 'stock').length, unfinished: rows.filter(({ state }) => state === 'provisioning') }
  }
}

interface PlaceName {
  readonly database: string
  readonly schema?: string | undefined
}
