// A tenant's rows stay in the tenant's region.

import { type MoveCheck, onServer } from '../check.ts'

export const region: MoveCheck = {
  rule: 'region',
  level: 'refuse',
  async check({ target, tenant }) {
    if (target.region === undefined || target.region === tenant.region) return []
    const problem = `The tenant's region is ${tenant.region}, and the server is in ${target.region}. Choose a server of its region.`
    return [{ at: onServer(target), object: target.placement.server, problem }]
  },
}
