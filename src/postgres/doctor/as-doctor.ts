// How the doctor looks: as a role that may read no tenant's row, in a transaction that cannot write.

import type { ControlConnection, ControlPool } from '../control-pool.ts'
import { roles } from '../roles.ts'

/**
 * Names in what the catalogs say are then qualified, whatever the login's own search_path is, so that a finding has the same key wherever
 * it is found. Compiling a plan costs more than any of these statements takes.
 */
const manners = `
  set transaction read only;
  set local role ${roles.doctor};
  set local search_path = pg_catalog, pg_temp;
  set local lock_timeout = '2s';
  set local jit = off`

/** Runs `fn` in a transaction of its own. `pool` is the gatekeeper's, the migrator's or the administrator's: each may become the doctor. */
export async function asDoctor<T>(pool: ControlPool, fn: (control: ControlConnection) => Promise<T>): Promise<T> {
  return await pool.transaction(async (control) => {
    await control.query(manners)
    return await fn(control)
  })
}
