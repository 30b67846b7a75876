// partywall audit prune: retention.

import { systemClock } from '../../../core/clock.ts'
import { durationMs } from '../../duration.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const prune = verb({
  summary: 'Remove the beginning of a tenant’s log, as far as it is older than what must be kept',
  details: 'It is verified first, and it is signed and kept elsewhere that it goes. The last row stays.',
  args: { tenant: 'its id or slug' },
  flags: {
    olderThan: { kind: 'text', value: 'time', about: 'as 400d', required: true },
    reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true },
  },
  examples: ['partywall audit prune acme --older-than 400d --reason "retention of 13 months"'],
  needs: needsFleet,
  async run({ args, flags: { olderThan, reason }, output, terminal }) {
    const before = new Date(systemClock.now() - durationMs('--older-than', olderThan))
    const { removed, upTo } = await withFleet(terminal, async (plane) => {
      const tenant = await fleetTenant(plane, args.tenant)
      return await plane.fleet.audit.prune(tenant, { before, reason, actor: plane.actor })
    })
    output.record({ removed, upTo: String(upTo) })
  },
})
