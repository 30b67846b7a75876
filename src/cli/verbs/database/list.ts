// partywall database list: databases that more than one tenant lives in.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const list = verb({
  summary: 'List databases that hold many tenants',
  details: 'Those of one tenant’s own are told of by partywall tenant list and partywall server list.',
  examples: ['partywall database list', 'partywall database list --json'],
  needs: needsFleet,
  async run({ output, terminal }) {
    await output.table(await withFleet(terminal, ({ fleet }) => fleet.placements.schemaDatabases.list()), {
      NAME: ({ name }) => name,
      SERVER: ({ server }) => server,
      REGION: ({ region }) => region,
      HOLDS: ({ holds }) => holds,
      STATE: ({ state }) => state,
      VERSION: ({ version }) => version ?? '-',
      TENANTS: ({ tenants, tenantsMax }) => `${tenants}${tenantsMax === undefined ? '' : ` of ${tenantsMax}`}`,
    })
  },
})
