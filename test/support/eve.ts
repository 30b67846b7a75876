// Eve has the app's own login and writes whole statements of her own: the worst that an SQL injection can become. What she
// may hold besides is a capability: none, or bob's.

import type { TestContext } from 'node:test'
import pg from 'pg'
import type { Stage } from './cast.ts'

/** What came of an attack. */
export interface Loot {
  /** Everything that she was shown, as text: rows, notices. */
  readonly text: string
  /** SQLSTATE (or our code) of what stopped her. */
  readonly code: string | undefined
}

export class Eve {
  readonly client: pg.Client
  readonly #notices: string[] = []

  private constructor(url: string) {
    this.client = new pg.Client({ connectionString: url, application_name: 'eve' })
    this.client.on('notice', (notice) => this.#notices.push(`${notice.message} ${notice.detail ?? ''}`))
    this.client.on('error', () => {})
  }

  static async enter(stage: Stage, t?: TestContext, url = stage.database.urls.app): Promise<Eve> {
    const eve = new Eve(url)
    await eve.client.connect()
    t?.after(() => eve.leave())
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

/** The truth about one tenant's rows, in one value: any change by anybody else shows. */
export async function fingerprint(stage: Stage, tenantId: string): Promise<string> {
  const [row] = await stage.alice<{ print: string }>(
    `select md5(string_agg(t.line, ',' order by t.line)) as print
       from (
         select n::text as line from app.notes as n where n.tenant_id = $1
         union all
         select f::text from app.folders as f where f.tenant_id = $1
       ) as t`,
    [tenantId],
  )
  return row!.print
}
