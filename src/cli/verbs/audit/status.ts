// partywall audit status: how logs stand.

import type { AuditStatus } from '../../../audit/fleet-audit.ts'
import type { Tenant } from '../../../core/tenant.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const status = verb({
  summary: 'Show how far a tenant’s log goes, and how far it is signed',
  args: { tenant: 'its id or slug' },
  flags: {},
  examples: ['partywall audit status acme'],
  needs: needsFleet,
  async run({ args, output, terminal }) {
    const [tenant, found] = await withFleet(terminal, async (plane): Promise<readonly [Tenant, AuditStatus]> => {
      const one = await fleetTenant(plane, args.tenant)
      return [one, await plane.fleet.audit.status(one)]
    })
    const { head, headAt, anchoredTo, anchoredAt, prunedTo } = found
    output.record({
      tenant: tenant.slug,
      log: head === undefined ? 'none' : 'there',
      head: String(head ?? '-'),
      headAt: headAt?.toISOString() ?? '-',
      anchoredTo: String(anchoredTo),
      anchoredAt: anchoredAt?.toISOString() ?? '-',
      prunedTo: String(prunedTo),
    })
  },
})
