// partywall server activate: takes a draining server into use again.

import { needsAdmin } from '../../control-plane.ts'
import { withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const activate = verb({
  summary: 'Take a draining server into use again',
  args: { server: 'its name' },
  flags: { reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true } },
  examples: ['partywall server activate eu-2 --reason "repaired"'],
  needs: needsAdmin,
  async run({ args, flags, output, terminal }) {
    const server = await withFleet(terminal, async ({ fleet: { servers }, record }) => {
      const activated = await servers.activate(args.server)
      await record({ action: 'server.activate', tenantId: undefined, reason: flags.reason, details: { server: args.server } })
      return activated
    })
    output.record({ name: server.name, region: server.region, state: server.state, tenants: server.tenants })
  },
})
