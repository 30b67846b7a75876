// Databases that hold schemas of tenants' own.

import { createHash } from 'node:crypto'
import { ConfigurationError, PlacementConflictError } from '../../errors.ts'
import type { ControlPool } from '../control-pool.ts'
import { createPrivateDatabase, databaseUrl } from '../database.ts'
import { quoted } from '../table-shape.ts'
import { alone, type PlacementSite, told } from './placement-site.ts'
import { installWall } from './template.ts'

export interface SchemaDatabaseOptions {
  /** The server, by its name in the catalog. */
  readonly server: string
  /** Its name in the catalog and on the server: lower-case letters, digits, `_` and `-`, at most 63. */
  readonly name: string
  /** Schemas that it may hold. Default: any number. */
  readonly tenantsMax?: number | undefined
}

/** A database that more than one tenant lives in. */
export interface SharedDatabase {
  readonly name: string
  readonly server: string
  readonly region: string
  /** Shared tables, or a schema for each tenant. */
  readonly holds: 'pooled' | 'schema'
  readonly state: string
  /** The newest migration of the shared tables; schemas have versions of their own. */
  readonly version: string | undefined
  readonly tenants: number
  readonly tenantsMax: number | undefined
}

const namePattern = /^[a-z](?:[a-z0-9_]|-(?=[a-z0-9])){0,62}$/

export class SchemaDatabases {
  readonly #site: PlacementSite

  constructor(site: PlacementSite) {
    this.#site = site
  }

  /** Those with shared tables too: every database that more than one tenant may live in. */
  async list(): Promise<readonly SharedDatabase[]> {
    const rows = await this.#site.reader.query<Nullable<SharedDatabase>>(
      `select d.name, d.server_name as server, s.region, d.holds, d.state, d.version,
              (select count(*)::int from partywall.tenants as t where t.database_name = d.name) as tenants, d.tenants_max as "tenantsMax"
         from partywall.databases as d
         join partywall.servers as s on s.name = d.server_name
        where d.holds in ('pooled', 'schema')
        order by d.name`,
    )
    return rows.map((row) => ({ ...row, version: row.version ?? undefined, tenantsMax: row.tenantsMax ?? undefined }))
  }

  /**
   * Makes a database for schemas, with the wall in it and no tables. Repeating it goes on where it stopped.
   *
   * @throws {PlacementConflictError} when there is a database of the name that the catalog does not have as one for schemas.
   */
  async create({ server, name, tenantsMax }: SchemaDatabaseOptions): Promise<void> {
    if (!namePattern.test(name))
      throw new ConfigurationError(`${JSON.stringify(name)} cannot name a database: write lower-case letters, digits, _ and -.`)
    const { connections, onStep } = this.#site
    await alone(this.#site, `database ${name}`, async (catalog) => {
      const [row] = await catalog.query<{ holds: string; server: string; state: string }>(
        'select d.holds, d.server_name as server, d.state from partywall.databases as d where d.name = $1',
        [name],
      )
      if (row !== undefined && (row.holds !== 'schema' || row.server !== server)) throw isThere(name)
      if (row?.state === 'ready') return
      await told(() =>
        connections.asAdministrator(server, async (admin) => {
          const [found] = await admin.query<{ mark: string | null }>(
            `select shobj_description(d.oid, 'pg_database') as mark from pg_catalog.pg_database as d where d.datname = $1`,
            [name],
          )
          if (found !== undefined && found.mark !== mark) throw isThere(name)
          if (found === undefined) await createMarked(admin, name, onStep)
          await installWall(databaseUrl(await connections.administratorUrl(server), { database: name }))
        }),
      )
      await onStep('schema database installed')
      await catalog.query(
        `insert into partywall.databases (name, server_name, database_name, holds, tenants_max, state)
         values ($1, $2, $1, 'schema', $3, 'ready')
             on conflict (name) do update set state = 'ready'`,
        [name, server, tenantsMax],
      )
    })
  }
}

type Nullable<Row> = { readonly [Key in keyof Row]: undefined extends Row[Key] ? Exclude<Row[Key], undefined> | null : Row[Key] }

const mark = 'partywall: schemas'

/** It has its name only when it has its mark: what is left of a run that was killed in between is known by the draft's name. */
async function createMarked(admin: ControlPool, name: string, onStep: PlacementSite['onStep']): Promise<void> {
  const draftName = `partywall_draft_${createHash('sha256').update(name).digest('hex').slice(0, 24)}`
  const draft = quoted(draftName)
  await admin.query(`drop database if exists ${draft}`)
  await createPrivateDatabase(admin, draftName)
  await onStep('schema database created')
  await admin.query(`comment on database ${draft} is '${mark}'`)
  await admin.query(`alter database ${draft} rename to ${quoted(name)}`)
}

function isThere(name: string): PlacementConflictError {
  return new PlacementConflictError(
    `There is a database ${name} already that is not one for schemas of this catalog. It was left as it is.`,
  )
}
