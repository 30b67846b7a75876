// partywall tenant change-plan: another plan, and what it would move.

import type { PlanComparison } from '../../../operations/change-plan.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { tellPlan } from '../../told-operation.ts'
import { verb } from '../../verb.ts'

export const changePlan = verb({
  summary: 'Put a tenant on another plan',
  details:
    'Its features and its share of the pool change at once. It stays where it lives; if the plan puts its tenants elsewhere, it says so.',
  args: { tenant: 'its id or slug', plan: 'the new one' },
  flags: {
    reason: { kind: 'text', value: 'why', about: 'kept in the audit trail' },
    dryRun: { kind: 'switch', about: 'say what would be done, and do nothing' },
  },
  examples: ['partywall tenant change-plan acme enterprise'],
  needs: needsFleet,
  async run({ args, flags: { reason, dryRun }, output, terminal }) {
    const { report, tenant } = await withFleet(terminal, async (plane) => {
      const { id } = await fleetTenant(plane, args.tenant)
      const told = await plane.fleet.tenants.changePlan(id, args.plan, { actor: plane.actor, reason, dryRun })
      return { report: told, tenant: await fleetTenant(plane, id) }
    })
    const comparison = report.operation?.steps['compare']?.output as unknown as PlanComparison | undefined
    if (comparison === undefined) return await tellPlan(output, report.plan)
    output.record({ tenant: tenant.slug, ...comparison })
  },
})
