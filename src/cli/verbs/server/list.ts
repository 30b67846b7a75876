// partywall server list: the fleet, and how full it is.

import { needsAdmin } from '../../control-plane.ts'
import { withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const list = verb({
  summary: 'List the servers and how many live there',
  examples: ['partywall server list', 'partywall server list --json'],
  needs: needsAdmin,
  async run({ output, terminal }) {
    await output.table(await withFleet(terminal, ({ fleet }) => fleet.servers.list()), {
      NAME: ({ name }) => name,
      REGION: ({ region }) => region,
      STATE: ({ state }) => state,
      TENANTS: ({ tenants }) => String(tenants),
      DATABASES: ({ ownDatabases, tenantsMax }) => `${ownDatabases}${tenantsMax === null ? '' : ` of ${tenantsMax}`}`,
      ADDRESS: ({ host, port }) => (host === null ? 'the catalog’s' : `${host}:${port}`),
      LABELS: ({ labels }) => JSON.stringify(labels),
    })
  },
})
