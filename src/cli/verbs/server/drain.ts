// partywall server drain: nobody new comes; who is still there is listed.

import { needsAdmin } from '../../control-plane.ts'
import { withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const drain = verb({
  summary: 'Let no new tenant onto a server, and list who is there',
  details: 'Nobody is moved. At most 100 tenants are listed.',
  args: { server: 'its name' },
  flags: { reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true } },
  examples: ['partywall server drain eu-2 --reason "out of warranty"'],
  needs: needsAdmin,
  async run({ args, flags, output, terminal }) {
    const { residents } = await withFleet(terminal, async ({ fleet: { servers }, record }) => {
      const drained = await servers.drain(args.server)
      await record({ action: 'server.drain', tenantId: undefined, reason: flags.reason, details: { server: args.server } })
      return drained
    })
    await output.table(residents, {
      TENANT: ({ slug }) => slug,
      DATABASE: ({ database }) => database,
      ID: ({ tenantId }) => tenantId,
    })
  },
})
