// The database that tenants' own are copies of: the wall and every migration are in it, so that a tenant costs one CREATE DATABASE.
// Its name says what is in it. A set of migrations that has changed is another template; old ones are dropped.
//
//   partywall_template_<catalog>_<content>            finished: a template, which takes no connections
//   partywall_template_<catalog>_<content>_<chance>   being built; whoever is first to finish gives it the name above

import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { pastCollisions } from '../catalog-collision.ts'
import type { ControlPool } from '../control-pool.ts'
import { createPrivateDatabase, databaseUrl } from '../database.ts'
import { installPartywall } from '../install.ts'
import { appSchema } from '../roles.ts'
import { sqlFiles } from '../sql-files.ts'
import { quoted } from '../table-shape.ts'
import { only, type PlacementSite, sqlstateOf, told } from './placement-site.ts'

const attemptsMax = 8
const firstWaitMs = 50

export class Templates {
  readonly #site: PlacementSite
  readonly #known = new Map<string, Promise<void>>()
  #name: Promise<string> | undefined

  constructor(site: PlacementSite) {
    this.#site = site
  }

  /** The template at the current version on a server; made when it is not there. @returns its name. */
  async ensure(server: string): Promise<string> {
    const name = await this.name()
    const known = this.#known.get(server) ?? this.#build(server, name)
    this.#known.set(server, known)
    try {
      await known
    } catch (error) {
      this.#known.delete(server)
      throw error
    }
    return name
  }

  /** The name of the current one, on every server. */
  async name(): Promise<string> {
    this.#name ??= this.#derive().catch((error) => {
      this.#name = undefined
      throw error
    })
    return await this.#name
  }

  /**
   * Makes a database from the template. Nobody may connect to it yet, so that nobody does before its privileges are set.
   *
   * A template with a session in it (55006), or one that was dropped a moment ago, is tried again, a bounded number of times.
   */
  async copy(server: string, database: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const template = await this.ensure(server)
      try {
        await this.#site.connections.asAdministrator(server, (admin) =>
          admin.query(`create database ${quoted(database)} template ${quoted(template)} strategy wal_log allow_connections false`),
        )
        return
      } catch (error) {
        const state = sqlstateOf(error)
        if (state === '3D000') this.#known.delete(server)
        if ((state !== '3D000' && state !== '55006') || attempt === attemptsMax) throw error
        await this.#site.onStep('template in use')
        await wait(firstWaitMs * 2 ** (attempt - 1))
      }
    }
  }

  /** Drops this catalog's templates that are not the current one; one that is in use stays. @returns their names. */
  async dropOld(server: string): Promise<readonly string[]> {
    const current = await this.name()
    return await this.#dropWhere(server, (name) => !name.startsWith(current))
  }

  /** Drops all of this catalog's templates on a server, for a server that is given up. @returns their names. */
  async dropAll(server: string): Promise<readonly string[]> {
    this.#known.delete(server)
    return await this.#dropWhere(server, () => true)
  }

  async #dropWhere(server: string, isUnwanted: (name: string) => boolean): Promise<readonly string[]> {
    const family = (await this.name()).slice(0, -16)
    return await this.#site.connections.asAdministrator(server, async (admin) => {
      const found = await admin.query<{ name: string }>(
        'select d.datname as name from pg_catalog.pg_database as d where starts_with(d.datname, $1) order by d.datname',
        [family],
      )
      const dropped: string[] = []
      for (const { name } of found.filter((one) => isUnwanted(one.name))) if (await dropTemplate(admin, name)) dropped.push(name)
      return dropped
    })
  }

  /** The catalog's share keeps two catalogs on one server from dropping each other's. */
  async #derive(): Promise<string> {
    const rows = await this.#site.reader.query<{ mark: string; database: string }>(
      `select d.mark::text as mark, current_database() as database from partywall.databases as d where d.name = 'main'`,
    )
    const { mark, database } = only(rows)
    const content = createHash('sha256').update(this.#site.migrations.fingerprint)
    for (const { url } of sqlFiles(false)) content.update(readFileSync(url))
    const catalog = createHash('sha256').update(`${mark} ${database}`).digest('hex').slice(0, 8)
    return `partywall_template_${catalog}_${content.digest('hex').slice(0, 16)}`
  }

  async #build(server: string, name: string): Promise<void> {
    const { connections, migrations, onStep } = this.#site
    const isThere = await connections.asAdministrator(server, async (admin) => {
      const rows = await admin.query(
        'select from pg_catalog.pg_database as d where d.datname = $1 and d.datistemplate and not d.datallowconn',
        [name],
      )
      return rows.length > 0
    })
    if (isThere) return
    const draft = `${name}_${randomBytes(4).toString('hex')}`
    await connections.asAdministrator(server, async (admin) => {
      await told(() => createPrivateDatabase(admin, draft))
      await onStep('template created')
      try {
        await installWall(databaseUrl(await connections.administratorUrl(server), { database: draft }))
        await onStep('template installed')
        await told(() => connections.asMigratorAt({ server, database: draft }, (control) => migrations.applyAll(control, appSchema)))
        await onStep('template migrated')
        await connections.letGo(draft)
        await publish(admin, draft, name)
      } catch (error) {
        await connections.letGo(draft)
        await dropTemplate(admin, draft).catch(() => false)
        throw error
      }
    })
  }
}

/** Installs the wall alone. Roles belong to the whole server, and two who set the same role at once collide: tried again. */
export async function installWall(connectionString: string): Promise<void> {
  await pastCollisions(() => told(() => installPartywall({ connectionString, passwords: {}, catalog: false })))
}

/** Gives what was built the template's name; where another was faster, theirs is as good. */
async function publish(admin: ControlPool, draft: string, name: string): Promise<void> {
  await admin.query(`alter database ${quoted(draft)} with is_template true allow_connections false`)
  for (let attempt = 1; ; attempt++) {
    try {
      await admin.query(`alter database ${quoted(draft)} rename to ${quoted(name)}`)
      return
    } catch (error) {
      const state = sqlstateOf(error)
      if (state === '42P04') {
        await dropTemplate(admin, draft)
        return
      }
      // Backends outlive their closed sockets by a moment.
      if (state !== '55006' || attempt === attemptsMax) throw error
      await wait(firstWaitMs * 2 ** (attempt - 1))
    }
  }
}

async function dropTemplate(admin: ControlPool, name: string): Promise<boolean> {
  try {
    await admin.query(`alter database ${quoted(name)} with is_template false`)
    await admin.query(`drop database ${quoted(name)}`)
    return true
  } catch (error) {
    const state = sqlstateOf(error)
    if (state === '3D000') return false
    if (state !== '55006') throw error
    await admin.query(`alter database ${quoted(name)} with is_template true`)
    return false
  }
}
