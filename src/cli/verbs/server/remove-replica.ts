// partywall server remove-replica: reads go elsewhere within seconds.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const removeReplica = verb({
  summary: 'Strike a read replica',
  details: 'Nothing is changed on the replica itself.',
  args: { server: 'whom it follows', name: 'its own name' },
  flags: { reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true } },
  examples: ['partywall server remove-replica eu-1 eu-1-read --reason "rebuilt"'],
  needs: needsFleet,
  async run({ args: { server, name }, flags: { reason }, output, terminal }) {
    await withFleet(terminal, async ({ fleet, record }) => {
      await fleet.servers.removeReplica(server, name)
      await record({ action: 'server.remove_replica', tenantId: undefined, reason, details: { server, name } })
    })
    output.record({ server, name, state: 'removed' })
  },
})
