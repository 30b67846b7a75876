// Where the tenants of a test live. Pooled, they share the catalog's own database; otherwise each is given its place, and the
// catalog says where that is.

import { randomBytes } from 'node:crypto'
import { databaseNameOf, mainPlacement, type Placement, schemaNameOf } from '../../src/core/placement.ts'
import type { SecretReader } from '../../src/core/secret-reader.ts'
import type { Tenant } from '../../src/core/tenant.ts'
import type { ControlPool } from '../../src/postgres/control-pool.ts'
import { roleLimits, roles, scramVerifier } from '../../src/postgres/roles.ts'
import { type Scope, type TestDatabase, wallDatabase } from './database.ts'
import { isolation } from './isolation.ts'
import { testServer } from './server.ts'
import { urlFor } from './template.ts'

/** A tenant's. */
export interface Place {
  readonly placement: Placement
  /** The database with its rows. */
  readonly database: TestDatabase
  /** The login that runs the application's statements there, and its URL. */
  readonly login: string
  readonly app: string
  /** As the superuser, where unqualified names are the tenant's own tables. */
  readonly alice: ControlPool
}

const schemasName = 'schemas'

export class Housing {
  readonly #scope: Scope | undefined
  readonly #catalog: TestDatabase
  readonly #places = new Map<string, Place>()
  readonly #migrations: string[] = []
  readonly #passwords = new Map<string, string>()
  #schemas: Promise<TestDatabase> | undefined

  constructor(catalog: TestDatabase, scope: Scope | undefined) {
    this.#catalog = catalog
    this.#scope = scope
  }

  /** The passwords of tenants' own logins. */
  readonly secrets: SecretReader = { get: async (name) => this.#passwords.get(name) }

  /** Runs SQL as the owner, as a migration does: in the catalog's database and in every place, those to come among them. */
  async migrate(text: string): Promise<void> {
    this.#migrations.push(text)
    for (const alice of new Set([this.#catalog.superuserIn('app'), ...this.places().map((place) => place.alice)]))
      await asOwner(alice, text)
  }

  /** Each once, in the order in which tenants came. */
  places(): readonly Place[] {
    return [...new Map([...this.#places.values()].map((place) => [place.alice, place])).values()]
  }

  placeOf({ id }: Pick<Tenant, 'id'>): Place {
    const place = this.#places.get(id)
    if (place === undefined) throw new RangeError(`${id} has no place.`)
    return place
  }

  /** Makes the place of a tenant that the catalog knows, with all tables and an open gate; and tells the catalog through `move`. */
  async house(tenant: Tenant, move: (placement: Placement) => Promise<unknown>): Promise<Place> {
    const place = await this.#make(tenant)
    if (isolation !== 'pooled') {
      for (const text of this.#migrations) await asOwner(place.alice, text)
      await move(place.placement)
    }
    this.#places.set(tenant.id, place)
    return place
  }

  async #make(tenant: Tenant): Promise<Place> {
    switch (isolation) {
      case 'pooled':
        return placeIn(this.#catalog, mainPlacement, roles.app, this.#catalog.urls.app)
      case 'schema':
        return await this.#makeSchema(tenant)
      case 'database':
      case 'server':
        return await this.#makeDatabase(tenant)
    }
  }

  async #makeSchema(tenant: Tenant): Promise<Place> {
    this.#schemas ??= this.#makeSchemas()
    const database = await this.#schemas
    const schema = schemaNameOf(tenant.id)
    await openGate(database, tenant)
    await database.superuser.query('select partywall.set_gate_schema($1, $2)', [tenant.id, schema])
    await database.superuser.query(`create schema ${schema} authorization ${roles.owner}; grant usage on schema ${schema} to ${roles.app}`)
    return placeIn(database, { isolation: 'schema', server: 'main', database: schemasName, schema }, roles.app, database.urls.app)
  }

  async #makeSchemas(): Promise<TestDatabase> {
    const database = await wallDatabase(this.#scope)
    await this.#register({ name: schemasName, server: 'main', database: database.name, holds: 'schema' })
    return database
  }

  async #makeDatabase(tenant: Tenant): Promise<Place> {
    const kind = isolation === 'server' ? 'second' : 'catalog'
    const { port, superuserUrl } = await testServer(kind)
    // The login is called as the database is.
    const name = databaseNameOf(tenant.id)
    const database = await wallDatabase(this.#scope, { kind, name, login: name })
    const password = randomBytes(24).toString('base64url')
    await database.superuser.query(`
      create role ${name} login password '${scramVerifier(password)}' in role ${roles.tenants};
      ${roleLimits(name)};
      revoke connect on database ${name} from ${roles.app}, ${roles.gatekeeper};
      grant connect on database ${name} to ${name}`)
    await openGate(database, tenant)
    await database.superuser.query('insert into partywall.logins (login, tenant_id) values ($1, $2)', [name, tenant.id])
    const server = isolation === 'server' ? `of-${tenant.slug}` : 'main'
    if (isolation === 'server') {
      await this.#catalog.superuser.query('insert into partywall.servers (name, host, port) values ($1, $2, $3)', [
        server,
        '127.0.0.1',
        port,
      ])
    }
    const secret = `tenant/${tenant.id}/login`
    this.#passwords.set(secret, password)
    const auditKey = randomBytes(32)
    this.#passwords.set(`${secret}/audit`, auditKey.toString('base64url'))
    await database.superuser.query('select partywall.set_audit_key($1, $2)', [name, auditKey])
    await this.#register({ name, server, database: name, holds: 'tenant', tenantId: tenant.id, login: name, secret })
    const app = urlFor(superuserUrl, name, { name, password })
    return placeIn(database, { isolation, server, database: name, schema: 'app' }, name, app)
  }

  async #register(row: {
    readonly name: string
    readonly server: string
    readonly database: string
    readonly holds: 'schema' | 'tenant'
    readonly tenantId?: string
    readonly login?: string
    readonly secret?: string
  }): Promise<void> {
    await this.#catalog.superuser.query(
      `insert into partywall.databases (name, server_name, database_name, holds, tenant_id, login, secret_name, state)
       values ($1, $2, $3, $4, $5, $6, $7, 'ready')`,
      [row.name, row.server, row.database, row.holds, row.tenantId, row.login, row.secret],
    )
  }
}

function placeIn(database: TestDatabase, placement: Placement, login: string, app: string): Place {
  return { placement, database, login, app, alice: database.superuserIn(placement.schema) }
}

async function openGate({ superuser }: TestDatabase, { id, keys }: Tenant): Promise<void> {
  await superuser.query(`select partywall.set_gate($1, 'open')`, [id])
  await superuser.query('select partywall.set_gate_keys($1, $2, $3)', [id, keys.bigint, keys.text])
}

async function asOwner(alice: ControlPool, text: string): Promise<void> {
  await alice.query(`set role ${roles.owner}; ${text}; reset role`)
}
