// How the doctor looks: as a role that may read no tenant's row, in a transaction that cannot write.

import type { ControlConnection, ControlPool } from '../control-pool.ts'
import { roles } from '../roles.ts'

/**
 * Names in what the catalogs say are then qualified, whatever the login's own search_path is, so that a finding has the same key wherever
 * it is found. Right after migrations there are no statistics of the catalogs: believing in a handful of rows, the planner would compare
 * each with each, which took 23 s with 1,000 tables instead of 50 ms; checks read whole catalogs, for which hashes are good. And compiling
 * a plan costs more than any of these statements takes.
 */
const manners = `
  set transaction read only;
  set local role ${roles.doctor};
  set local search_path = pg_catalog, pg_temp;
  set local lock_timeout = '2s';
  set local enable_nestloop = off;
  set local jit = off`

/** Runs `fn` in a transaction of its own. `pool` is the gatekeeper's, the migrator's or the administrator's: each may become the doctor. */
export async function asDoctor<T>(pool: ControlPool, fn: (control: ControlConnection) => Promise<T>): Promise<T> {
  return await pool.transaction(async (control) => {
    await control.query(manners)
    return await fn(control)
  })
}
