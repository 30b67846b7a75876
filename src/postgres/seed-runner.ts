// What a new tenant starts with is written by the owner, acting for that tenant alone: the policies hold for the owner too, so that
// a seed can reach nobody else's rows. The tenant need not be open yet.

import type { SeedRunner } from '../operations/tenant-life.ts'
import type { FleetConnections } from './fleet-connections.ts'
import { quoted } from './table-shape.ts'

/** Runs seeds over the migrator's login, each in one transaction. */
export function seedRunner(connections: FleetConnections): SeedRunner {
  return async ({ id, keys, placement }, work) => {
    await connections.asMigrator(placement.database, (control) =>
      control.transaction(async (connection) => {
        await connection.query(`set local search_path to ${quoted(placement.schema)}, pg_temp`)
        const [made] = await connection.query<{ made: boolean }>('select partywall.act_for($1, $2, $3) as made', [
          id,
          keys.bigint,
          keys.text,
        ])
        await work({ query: (text, values) => connection.query(text, values) })
        await connection.query('select partywall.stop_acting($1, $2)', [id, made?.made ?? false])
      }),
    )
  }
}
