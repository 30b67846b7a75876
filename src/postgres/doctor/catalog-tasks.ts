// The catalog's own database alone, as the gatekeeper: for an application that has no other, and for whoever has no other login.

import type { DoctorEvent } from '../../core/doctor-event.ts'
import type { ControlPool } from '../control-pool.ts'
import type { DoctorCheck } from './check.ts'
import type { DoctorTask } from './run-doctor.ts'
import type { WayIn } from './visit.ts'

/** @param gatekeeper Its connections to the catalog. They are the caller's to close. */
export async function* catalogTasks(gatekeeper: ControlPool, checks: readonly DoctorCheck[]): AsyncGenerator<DoctorTask, void> {
  const ways: readonly WayIn[] = [(fn) => fn(gatekeeper)]
  yield { at: { server: 'main', database: null }, checks: checks.filter(({ scope }) => scope === 'server'), ways }
  yield { at: { server: 'main', database: 'main' }, checks: checks.filter(({ scope }) => scope !== 'server'), ways }
  yield () => others(gatekeeper)
}

async function others(gatekeeper: ControlPool): Promise<readonly DoctorEvent[]> {
  const at = { server: 'main', database: 'main' }
  try {
    const [row] = await gatekeeper.query<{ count: number }>(
      `select count(*)::int as count from partywall.databases as d where d.name <> 'main' and d.state in ('stock', 'ready', 'draining')`,
    )
    const count = row?.count ?? 0
    if (count === 0) return []
    const what = `${count} other ${count === 1 ? 'database' : 'databases'} of the catalog`
    return [{ kind: 'unseen', unseen: { kind: 'limit', at, what, why: 'Only the catalog’s own database was to be looked at.' } }]
  } catch {
    // A database that cannot be reached is told by the visits.
    return []
  }
}
