// What one process has on a server of tests: a name that its databases carry, and a lock that says that it lives. Databases of a
// process that was killed are found by the lock that nobody holds, and dropped by whoever comes next.

import { randomBytes } from 'node:crypto'
import { type ControlConnection, ControlPool } from '../../postgres/control-pool.ts'
import { quoted } from '../../postgres/table-shape.ts'
import { shareServer } from './shared-server.ts'
import { copyTemplate, ensureTemplate, type KitUrls, urlsOf } from './template.ts'

/** Which server. */
export interface KitServerOptions {
  /** A superuser's URL of a server for tests alone. Default: an embedded one, shared by all test processes that run side by side. */
  readonly server?: string | undefined
  /** Another PostgreSQL's `bin` directory for the embedded server, instead of the npm package's. */
  readonly binDirectory?: string | undefined
}

/** A connection whose socket may keep the process alive, or not. The driver has it, its types do not. */
type HeldConnection = Awaited<ReturnType<ControlPool['dedicated']>> & { ref?(): void; unref?(): void }

const sessions = new Map<string, Promise<KitSession>>()

/** The session of this process on a server, opened when there is none. Whoever asks releases it once. */
export async function openSession(options: KitServerOptions): Promise<KitSession> {
  const key = options.server ?? `embedded ${options.binDirectory ?? ''}`
  const known = sessions.get(key)
  const opening = known ?? KitSession.open(options, () => sessions.delete(key))
  sessions.set(key, opening)
  try {
    const session = await opening
    session.use()
    return session
  } catch (error) {
    sessions.delete(key)
    throw error
  }
}

export class KitSession {
  readonly superuserUrl: string
  readonly #server: ControlPool
  readonly #name: string
  readonly #end: () => Promise<void>
  #users = 0
  #made = 0

  private constructor(parts: {
    readonly superuserUrl: string
    readonly server: ControlPool
    readonly name: string
    readonly end: () => Promise<void>
  }) {
    this.superuserUrl = parts.superuserUrl
    this.#server = parts.server
    this.#name = parts.name
    this.#end = parts.end
  }

  static async open(options: KitServerOptions, onEnd: () => void): Promise<KitSession> {
    const shared = options.server === undefined ? await shareServer(options.binDirectory) : undefined
    const superuserUrl = options.server ?? shared?.superuserUrl ?? ''
    const server = new ControlPool({
      connectionString: superuserUrl,
      applicationName: 'partywall kit',
      connectionsMax: 4,
      statementTimeoutMs: 120_000,
    })
    const name = randomBytes(6).toString('hex')
    const alive: HeldConnection = await server.dedicated().catch(async (error) => {
      shared?.release()
      await server.close()
      throw error
    })
    alive.on('error', () => {})
    await alive.query('select pg_advisory_lock(hashtextextended($1, 0))', [name])
    // It must not keep a process alive whose tests are over and which forgot to close.
    alive.unref?.()
    const end = async (): Promise<void> => {
      onEnd()
      // While it ends it does keep the process alive, or who waits for it would wait for nothing.
      alive.ref?.()
      await alive.end()
      await server.close()
      shared?.release()
    }
    if (shared === undefined) await server.session(dropAbandoned)
    return new KitSession({ superuserUrl, server, name, end })
  }

  use(): void {
    this.#users += 1
  }

  /** With the last user the session ends, and with the last session the embedded server. */
  async release(): Promise<void> {
    this.#users -= 1
    if (this.#users === 0) await this.#end()
  }

  /** A database of its own, with the wall and these migrations in it. */
  async database(migrations: URL | undefined): Promise<KitDatabase> {
    return await this.#copy(await ensureTemplate(this.#server, this.superuserUrl, migrations))
  }

  /** A copy of a database that nobody is connected to. */
  async #copy(source: string): Promise<KitDatabase> {
    this.#made += 1
    const name = `partywall_kit_${this.#name}_${this.#made}`
    await copyTemplate(this.#server, source, name)
    return {
      name,
      urls: urlsOf(this.superuserUrl, name),
      drop: async () => {
        await this.#server.query(`drop database if exists ${quoted(name)} with (force)`)
      },
    }
  }
}

/** One test's. */
export interface KitDatabase {
  readonly name: string
  readonly urls: KitUrls
  drop(): Promise<void>
}

async function dropAbandoned(admin: ControlConnection): Promise<void> {
  const found = await admin.query<{ name: string; session: string }>(
    `select d.datname as name, split_part(d.datname, '_', 3) as session
       from pg_catalog.pg_database as d
      where d.datname ~ '^partywall_kit_[0-9a-f]{12}_[0-9]+$'`,
  )
  for (const { name, session } of found) {
    const [lock] = await admin.query<{ isFree: boolean }>('select pg_try_advisory_lock(hashtextextended($1, 0)) as "isFree"', [session])
    if (!lock?.isFree) continue
    await admin.query(`drop database if exists ${quoted(name)} with (force)`)
    await admin.query('select pg_advisory_unlock(hashtextextended($1, 0))', [session])
  }
}
