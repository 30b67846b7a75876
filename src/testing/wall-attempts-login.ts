// With a login: the attacker has read the password with which its statements run, and tries it at other databases.

import { mainPlacement, type Placement } from '../core/placement.ts'
import type { WallAttempt } from './wall-check.ts'
import { noCapability } from './wall-doors.ts'
import { loginRefusal, refusal } from './wall-refusal.ts'
import type { WallStage } from './wall-stage.ts'

const whoAmI = 'select current_user::text as login'

/** Each tries to log in, and where the login is shared by design, to read. */
export const loginAttempts: readonly WallAttempt[] = [
  {
    name: 'log in where another tenant lives, and read there',
    run: (stage) => enter(stage, stage.options.places.victim, stage.options.victim.tenant.placement),
  },
  {
    name: 'log in where the catalog is, and read there',
    isOfAttacker: true,
    run: (stage) => enter(stage, stage.options.places.catalog, mainPlacement),
  },
  { name: 'log in at databases that are no tenant’s', isOfAttacker: true, run: closedOnes },
]

async function enter(stage: WallStage, place: string, placement: Placement): Promise<string | undefined> {
  const { attacker, probe } = stage.options
  const login = await stage.attackAt(place, whoAmI, noCapability)
  // A tenant's own database has one login, and such a login one database. All others share theirs, and meet the policies.
  const isShared = !hasOwnDatabase(attacker.tenant.placement) && !hasOwnDatabase(placement)
  if (!isShared || !('rows' in login)) return loginRefusal(login)
  return refusal(await stage.attackAt(place, `select * from ${placement.schema}.${probe.table}`, noCapability))
}

function hasOwnDatabase({ isolation }: Placement): boolean {
  return isolation === 'database' || isolation === 'server'
}

async function closedOnes(stage: WallStage): Promise<string | undefined> {
  for (const place of stage.options.places.closed) {
    const got = loginRefusal(await stage.attackAt(place, whoAmI, noCapability))
    if (got !== undefined) return `${new URL(place).pathname}: ${got}`
  }
  return undefined
}
