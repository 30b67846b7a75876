// Replication slots of a tenant's database. A slot that is left behind keeps write-ahead log for ever, and with it the tenant's rows.

import { databaseNameOf } from '../core/placement.ts'
import type { PlacedTenant, PurgeCount } from '../core/placement-adapter.ts'
import type { PurgeStore } from '../operations/purge-store.ts'
import type { ControlPool } from './control-pool.ts'

/** Lends connections of a login that may drop slots on a server: its administrator. */
export type LendAdministrator = <T>(server: string, fn: (control: ControlPool) => Promise<T>) => Promise<T>

/**
 * A slot is the tenant's when it is of a database of the tenant's own, or when its name begins with the name that such a database
 * would have, which is how slots that copy one tenant are named.
 */
export class SlotPurgeStore implements PurgeStore {
  readonly name = 'slots'
  readonly #asAdministrator: LendAdministrator

  constructor(asAdministrator: LendAdministrator) {
    this.#asAdministrator = asAdministrator
  }

  async plan(tenant: PlacedTenant): Promise<readonly PurgeCount[]> {
    return counted(tenant, await this.#names(tenant))
  }

  async purge(tenant: PlacedTenant): Promise<readonly PurgeCount[]> {
    const names = await this.#names(tenant)
    for (const name of names) await this.#drop(tenant, name)
    return counted(tenant, names)
  }

  async verify(tenant: PlacedTenant): Promise<readonly PurgeCount[]> {
    return await this.plan(tenant)
  }

  /** Whoever still reads it is sent away first; it may be gone by then. */
  async #drop(tenant: PlacedTenant, name: string): Promise<void> {
    await this.#asAdministrator(tenant.placement.server, async (admin) => {
      await admin.query(
        `select pg_catalog.pg_terminate_backend(s.active_pid, 5000)
           from pg_catalog.pg_replication_slots as s
          where s.slot_name = $1 and s.active_pid is not null`,
        [name],
      )
      await admin.query(
        'select pg_catalog.pg_drop_replication_slot(s.slot_name) from pg_catalog.pg_replication_slots as s where s.slot_name = $1',
        [name],
      )
    })
  }

  async #names(tenant: PlacedTenant): Promise<readonly string[]> {
    const { isolation, database } = tenant.placement
    const own = databaseNameOf(tenant.id)
    // Of a database that waited in stock before it was the tenant's, the name is another.
    const databases = isolation === 'database' || isolation === 'server' ? [own, database] : [own]
    const rows = await this.#asAdministrator(
      tenant.placement.server,
      async (admin) =>
        await admin.query<{ name: string }>(
          `select s.slot_name as name
             from pg_catalog.pg_replication_slots as s
            where s.database::text = any ($1::text[])
               or starts_with(s.slot_name::text, $2)
            order by s.slot_name`,
          [databases, own],
        ),
    )
    return rows.map(({ name }) => name)
  }
}

function counted(tenant: PlacedTenant, names: readonly string[]): readonly PurgeCount[] {
  return names.length === 0 ? [] : [{ kind: 'replication slots', where: `server ${tenant.placement.server}`, count: names.length }]
}
