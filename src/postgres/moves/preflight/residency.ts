// Replicas of the target's server get the tenant's rows too.

import { type MoveCheck, onServer } from '../check.ts'

export const residency: MoveCheck = {
  rule: 'residency',
  level: 'warn',
  async check({ target, tenant, catalog }) {
    const replicas = await catalog.query<{ name: string; region: string }>(
      'select r.name, r.region from partywall.replicas as r where r.server_name = $1 and r.region <> $2 order by r.name',
      [target.placement.server, tenant.region],
    )
    return replicas.map(({ name, region }) => ({
      at: onServer(target),
      object: `replica ${name}`,
      problem: `It is in ${region}, and gets a copy of every row of the server. The tenant's region is ${tenant.region}.`,
    }))
  },
}
