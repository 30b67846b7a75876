// partywall tenant suspend: refused by the tenant's database, wherever it is, from one moment on.

import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const suspend = verb({
  summary: 'Suspend a tenant',
  details:
    'When it returns, the database refuses the tenant’s statements in every process, and those that ran have been ended, as far as they can be told apart.',
  args: { tenant: 'its id or slug' },
  flags: { reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true } },
  examples: ['partywall tenant suspend acme --reason "unpaid"'],
  needs: needsFleet,
  async run({ args, flags: { reason }, output, terminal }) {
    const suspended = await withFleet(terminal, async (plane) => {
      const { id } = await fleetTenant(plane, args.tenant)
      await plane.fleet.tenants.suspend(id, { reason, actor: plane.actor })
      return await fleetTenant(plane, id)
    })
    output.record(suspended)
  },
})
