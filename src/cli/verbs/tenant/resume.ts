// partywall tenant resume: the end of a suspension.

import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const resume = verb({
  summary: 'Let a suspended tenant run again',
  args: { tenant: 'its id or slug' },
  flags: { reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true } },
  examples: ['partywall tenant resume acme --reason "paid"'],
  needs: needsFleet,
  async run({ args, flags: { reason }, output, terminal }) {
    const resumed = await withFleet(terminal, async (plane) => {
      const { id } = await fleetTenant(plane, args.tenant)
      await plane.fleet.tenants.resume(id, { reason, actor: plane.actor })
      return await fleetTenant(plane, id)
    })
    output.record(resumed)
  },
})
