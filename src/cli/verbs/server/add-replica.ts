// partywall server add-replica: a server that follows one of the fleet is read from.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const addReplica = verb({
  summary: 'Register a read replica of a server',
  details: 'It must be reachable with the server’s own logins, and must follow that very server.',
  args: { server: 'whom it follows', name: 'its own name' },
  flags: {
    host: { kind: 'text', about: 'where it is', required: true },
    port: { kind: 'number', about: 'where it listens', min: 1, max: 65_535, default: 5_432 },
  },
  examples: ['partywall server add-replica eu-1 eu-1-read --host replica.eu.example'],
  needs: needsFleet,
  async run({ args: { server, name }, flags: { host, port }, output, terminal }) {
    const replica = await withFleet(terminal, async ({ fleet, record }) => {
      const added = await fleet.servers.addReplica({ server, name, host, port })
      await record({ action: 'server.add_replica', tenantId: undefined, details: { server, name } })
      return added
    })
    output.record(replica)
  },
})
