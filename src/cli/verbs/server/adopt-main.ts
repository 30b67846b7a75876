// partywall server adopt-main: databases can be made on the catalog's own server too.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { serverUrlGiven, urlFlag } from '../../server-url.ts'
import { tellServer } from '../../told-server.ts'
import { verb } from '../../verb.ts'

export const adoptMain = verb({
  summary: 'Register the administrator of the catalog’s own server',
  details: 'Needed before schemas and databases of tenants’ own can be made there. The URL is kept in the secret store.',
  flags: {
    url: urlFlag,
    allowUnencrypted: { kind: 'switch', about: 'passwords and rows may cross the network in the clear: only where it is trusted' },
  },
  examples: ['partywall server adopt-main'],
  needs: needsFleet,
  async run({ flags: { url, allowUnencrypted }, output, terminal }) {
    const adminUrl = serverUrlGiven(terminal, url)
    const report = await withFleet(terminal, async ({ fleet, record }) => {
      const adopted = await fleet.servers.adoptMain({ adminUrl, allowUnencrypted })
      await record({ action: 'server.adopt_main', tenantId: undefined })
      return adopted
    })
    tellServer({ output, terminal }, report)
  },
})
