// partywall tenant verify: everything about a tenant's place that is not as it must be.

import { tellFindings } from '../../findings.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const verify = verb({
  summary: 'Check the place of a tenant: wall, region, logins, version',
  details: 'Ends with 1 when anything is found, each with the SQL that mends it.',
  args: { tenant: 'its id or slug' },
  examples: ['partywall tenant verify acme', 'partywall tenant verify acme --json'],
  needs: needsFleet,
  async run({ args, output, terminal }) {
    const found = await withFleet(terminal, async (plane) => {
      const tenant = await fleetTenant(plane, args.tenant)
      return await plane.fleet.placements.for(tenant.placement.isolation).verify(tenant)
    })
    return await tellFindings({ output, terminal }, found, {
      RULE: ({ rule }) => rule,
      OBJECT: ({ object }) => object,
      PROBLEM: ({ problem }) => problem,
      FIX: ({ fix }) => fix ?? 'a person must decide',
    })
  },
})
