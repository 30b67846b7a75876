// Eve has the login that runs bob's statements and writes whole statements of her own: the worst that an SQL injection can become.
// What she may hold besides is a capability: none, or bob's. Unqualified names are bob's tables to her, as in his application.

import type { TestContext } from 'node:test'
import pg from 'pg'
import type { Tenant } from '../../src/core/tenant.ts'
import type { Stage } from './cast.ts'

/** What came of an attack. */
export interface Loot {
  /** Everything that she was shown, as text: rows, notices. */
  readonly text: string
  /** SQLSTATE (or our code) of what stopped her. */
  readonly code: string | undefined
}

type Login = 'gatekeeper' | 'superuser' | 'migrator'

export class Eve {
  readonly client: pg.Client
  readonly #notices: string[] = []

  private constructor(url: string) {
    this.client = new pg.Client({ connectionString: url, application_name: 'eve' })
    this.client.on('notice', (notice) => this.#notices.push(`${notice.message} ${notice.detail ?? ''}`))
    this.client.on('error', () => {})
  }

  /** She comes in where bob lives, unless it is somebody else's house; with the app's login there, or one of ours. */
  static async enter(stage: Stage, t?: TestContext, as: { readonly of?: Tenant; readonly login?: Login } = {}): Promise<Eve> {
    const { app, database, placement } = stage.placeOf(as.of ?? stage.bob)
    const eve = new Eve(as.login === undefined ? app : database.urls[as.login])
    await eve.client.connect()
    t?.after(() => eve.leave())
    await eve.client.query(`set search_path = ${placement.schema}, pg_temp`)
    return eve
  }

  async leave(): Promise<void> {
    await this.client.end()
  }

  /** A transaction of her own, bound to the capability if she has one, committed if nothing stopped her. */
  async attack(statements: readonly string[], capability?: string): Promise<Loot> {
    const shown: unknown[] = []
    this.#notices.length = 0
    const done = (code: string | undefined): Loot => ({ text: `${JSON.stringify(shown)} ${this.#notices.join('\n')}`, code })
    try {
      await this.client.query('begin')
      if (capability !== undefined) await this.bind(capability)
      for (const text of statements) shown.push((await this.client.query(text)).rows)
      await this.client.query('commit')
      return done(undefined)
    } catch (error) {
      await this.client.query('rollback')
      shown.push((error as Error).message, (error as pg.DatabaseError).detail ?? '')
      return done((error as pg.DatabaseError).code)
    }
  }

  async bind(capability: string): Promise<void> {
    await this.client.query(`select set_config('partywall.capability', $1, true)`, [capability])
  }

  /** The rows of the last statement, or what refused it. */
  async count(text: string): Promise<number> {
    const { rows } = await this.client.query<{ count: string }>(text)
    return Number(rows[0]?.count)
  }
}

/** Bob's own capability, as an injected statement could read it from the session. */
export async function capabilityOf(stage: Stage, slug: string, ttlMs = 60_000): Promise<string> {
  return (await stage.tenancy.issueCapability(slug, { ttlMs, reason: 'The test needs one of its own.' })).handle
}

/** The truth about one tenant's rows, in one value: any change by anybody else shows. They are looked for in every place. */
export async function fingerprint(stage: Stage, tenantId: string): Promise<string> {
  const rows = await stage.alice<{ print: string | null }>(
    `select md5(string_agg(t.line, ',' order by t.line)) as print
       from (
         select n::text as line from notes as n where n.tenant_id = $1
         union all
         select f::text from folders as f where f.tenant_id = $1
       ) as t`,
    [tenantId],
  )
  return rows.map(({ print }) => print ?? 'none').join()
}
