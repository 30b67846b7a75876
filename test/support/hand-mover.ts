// A move made by hand, step by step, with the SQL that the mover uses: so that a test can stop between any two steps. From wherever
// the tenant of a stage lives to the shelter, a shared database of its own.

import { randomUUID } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { Tenant } from '../../src/core/tenant.ts'
import { roles } from '../../src/postgres/roles.ts'
import type { Stage } from './cast.ts'
import { type TestDatabase, wallDatabase } from './database.ts'
import { hasOwnDatabase } from './isolation.ts'

const visits = `
  create table visits (
    tenant_id uuid not null,
    what text not null,
    constraint visits_pkey primary key (tenant_id, what)
  );
  select partywall.protect('visits')`

const shelterName = 'shelter'

export class HandMover {
  readonly target: TestDatabase
  readonly #here: Stage
  readonly #tenant: Pick<Tenant, 'id' | 'keys'>
  readonly #moveId = randomUUID()
  #fence = 0
  #fencedUntil: string | undefined
  #movingSince: string | undefined

  private constructor(here: Stage, tenant: Tenant, target: TestDatabase) {
    this.#here = here
    this.#tenant = tenant
    this.target = target
  }

  /** Makes the table `visits` in both places; the tenant moves, and may write. */
  static async start(t: TestContext, here: Stage, tenant: Tenant): Promise<HandMover> {
    await here.migrate(visits)
    const target = await wallDatabase(t)
    await target.superuserIn('app').query(`set role ${roles.owner}; ${visits}; reset role`)
    await here.aliceInCatalog(
      `insert into partywall.databases (name, server_name, database_name, holds, state) values ($1, 'main', $2, 'pooled', 'ready')`,
      [shelterName, target.name],
    )
    const mover = new HandMover(here, tenant, target)
    await here.aliceInCatalog(
      `insert into partywall.moves (id, tenant_id, state, fence, source, target, actor_kind, actor_id, reason)
       values ($1, $2, 'following', 0, $3, $4, 'system', 'test', 'A test moves it.')`,
      [mover.#moveId, tenant.id, JSON.stringify(here.placeOf(tenant).placement), JSON.stringify({ database: shelterName, schema: 'app' })],
    )
    await mover.#inTarget(`select partywall.set_gate($1, 'suspended')`)
    await mover.#inTarget('select partywall.claim_gate($1, 0)')
    await mover.#inSource('select partywall.start_moving($1)')
    const [row] = await mover.#inSource<{ since: string }>('select partywall.moving_since($1)::text as since')
    mover.#movingSince = row!.since
    return mover
  }

  /** The number of the last fence. */
  get fence(): number {
    return this.#fence
  }

  /** Where the move stands, in the catalog. */
  async state(): Promise<string> {
    const [row] = await this.#here.aliceInCatalog<{ state: string }>('select state from partywall.moves where id = $1', [this.#moveId])
    return row!.state
  }

  /** The gate at the place that serves, and whether it was changed after the last fence's deadline. */
  async gate(): Promise<{ readonly state: string; readonly isAfterDeadline: boolean }> {
    const [row] = await this.#here.aliceIn<{ state: string; isAfterDeadline: boolean }>(
      this.#tenant,
      'select g.state, g.changed_at >= $2::timestamptz as "isAfterDeadline" from partywall.gates as g where g.tenant_id = $1',
      [this.#tenant.id, this.#fencedUntil],
    )
    return row!
  }

  /** Claims a fence in the catalog, and asks new writes to wait. */
  async announce(fenceMs = 60_000): Promise<void> {
    this.#fence += 1
    const [row] = await this.#here.aliceInCatalog<{ until: string }>(
      `update partywall.moves set state = 'fencing', fence = $2, fence_until = clock_timestamp() + $3 * interval '1 millisecond'
        where id = $1 returning fence_until::text as until`,
      [this.#moveId, this.#fence, fenceMs],
    )
    this.#fencedUntil = row!.until
    await this.#inSource('select partywall.announce_fence($1, $2)', this.#fence)
  }

  /** @returns the gate's state before; null when the fence came too late. */
  async close(fence = this.#fence): Promise<string | null> {
    const rows = await this.#inSource<{ before: string | null }>(
      'select partywall.close_gate($1, $2, 1, $3, $4, $5) as before',
      this.#moveId,
      fence,
      this.#fencedUntil,
      this.#movingSince,
    )
    return rows[0]!.before
  }

  async fenceOff(fenceMs?: number): Promise<void> {
    await this.announce(fenceMs)
    await this.close()
  }

  /** The tenant stays where it is. */
  async giveUp(): Promise<void> {
    await this.#here.aliceInCatalog(`update partywall.moves set state = 'following', fence_until = null where id = $1`, [this.#moveId])
    await this.#inSource('select partywall.give_up_fence($1, $2)', this.#fence)
  }

  /** From here on the catalog says that the tenant is in the shelter, with all its rows. */
  async commit(): Promise<void> {
    const rows = await this.#here.aliceIn<{ what: string }>(this.#tenant, 'select what from visits where tenant_id = $1', [this.#tenant.id])
    await this.#inTarget(
      'insert into app.visits (tenant_id, what) select $1, v from unnest($2::text[]) as v',
      rows.map(({ what }) => what),
    )
    await this.#here.database.superuser.transaction(async (catalog) => {
      await catalog.query(`update partywall.moves set state = 'switched', serving = 'target', fence_until = null where id = $1`, [
        this.#moveId,
      ])
      await catalog.query(`update partywall.tenants set isolation = 'pooled', database_name = $2, schema_name = 'app' where id = $1`, [
        this.#tenant.id,
        shelterName,
      ])
    })
  }

  /** Nobody reads or writes at the old place any more. */
  async retire(): Promise<void> {
    await this.#inSource('select partywall.retire_gate($1, $2)', this.#fence)
  }

  async open(): Promise<void> {
    await this.#inTarget(`select partywall.open_gate($1, $2, 'open')`, this.#fence)
  }

  async switch(): Promise<void> {
    await this.fenceOff()
    await this.commit()
    await this.retire()
    await this.open()
  }

  /** The same when the database is there still, and its login: nobody has been kept out. */
  async forgetGate(): Promise<void> {
    await this.#inSource('delete from partywall.gates where tenant_id = $1')
  }

  /** As `complete` leaves the old place: without rows, without a gate; and nobody gets into a database of its own any more. */
  async purge(): Promise<void> {
    const { login } = this.#here.placeOf(this.#tenant)
    if (hasOwnDatabase) {
      await this.#here.aliceIn(this.#tenant, `alter role ${login} nologin`)
      await this.#here.aliceIn(this.#tenant, 'select pg_terminate_backend(a.pid) from pg_stat_activity as a where a.usename = $1', [login])
    }
    await this.#inSource('delete from visits where tenant_id = $1')
    await this.#inSource('delete from partywall.gates where tenant_id = $1')
  }

  /** What the tenant wrote, at each place, as alice sees it. */
  async visits(): Promise<{ readonly source: readonly string[]; readonly target: readonly string[] }> {
    const text = (table: string): string => `select what from ${table} where tenant_id = $1 order by what`
    const [source, target] = [
      await this.#inSource<{ what: string }>(text('visits')),
      await this.#inTarget<{ what: string }>(text('app.visits')),
    ]
    return { source: source.map(({ what }) => what), target: target.map(({ what }) => what) }
  }

  /** Ends the tenant's backends that run, or are in a transaction, as the mover does. @returns how many. */
  async terminate(): Promise<number> {
    const rows = await this.#here.aliceIn(
      this.#tenant,
      `select pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity as a
        where a.datname = current_database() and a.application_name = 'partywall' and a.state in ('active', 'idle in transaction')
          and a.pid <> pg_backend_pid()`,
    )
    return rows.length
  }

  async #inSource<Row extends object>(text: string, ...values: readonly unknown[]): Promise<readonly Row[]> {
    return await this.#here.aliceIn<Row>(this.#tenant, text, [this.#tenant.id, ...values])
  }

  async #inTarget<Row extends object>(text: string, ...values: readonly unknown[]): Promise<readonly Row[]> {
    return await this.target.superuser.query<Row>(text, [this.#tenant.id, ...values])
  }
}
