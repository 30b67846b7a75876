// partywall residency check: tenants whose rows are on a server of another region.

import { tellFindings } from '../../findings.ts'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const check = verb({
  summary: 'List tenants who live outside their region',
  details: 'The catalog lets none come to be: one that is found was put there past it. Ends with 1 when there is any.',
  examples: ['partywall residency check', 'partywall residency check --json'],
  needs: needsFleet,
  async run({ output, terminal }) {
    const found = await withFleet(terminal, ({ fleet }) => fleet.servers.residency())
    return await tellFindings({ output, terminal }, found, {
      TENANT: ({ slug }) => slug,
      REGION: ({ tenantRegion }) => tenantRegion,
      SERVER: ({ server }) => server,
      'ITS REGION': ({ serverRegion }) => serverRegion,
      ID: ({ tenantId }) => tenantId,
    })
  },
})
