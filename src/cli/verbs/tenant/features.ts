// partywall tenant features: what the tenant has, and where it has it from.

import { setOwnFeatures } from '../../../core/tenant-features.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { keyValues } from '../../key-values.ts'
import { verb } from '../../verb.ts'

export const features = verb({
  summary: 'Show or change what a tenant has',
  details: 'Features of the plan hold unless the tenant has its own of that name. A change is known to every process at once.',
  args: { tenant: 'its id or slug' },
  flags: {
    set: { kind: 'list', isWhole: true, value: 'k=json', about: 'a feature of its own; may be given several times' },
    unset: { kind: 'list', value: 'k', about: 'take its own away, so that its plan’s holds again' },
  },
  examples: ['partywall tenant features acme', 'partywall tenant features acme --set seats=20 --set sso=true --unset beta'],
  needs: needsFleet,
  async run({ args, flags: { set, unset }, output, terminal }) {
    const given = { ...keyValues('--set', set), ...Object.fromEntries(unset.map((name) => [name, null])) }
    const tenant = await withFleet(terminal, async (plane) => {
      const found = await fleetTenant(plane, args.tenant)
      if (Object.keys(given).length === 0) return found
      const changed = await setOwnFeatures(plane.fleet.catalog, found.id, given)
      await plane.record({ action: 'tenant.features', tenantId: found.id, details: { names: Object.keys(given) } })
      return changed
    })
    const rows = Object.entries(tenant.features).map(([feature, value]) => {
      const from = Object.hasOwn(tenant.ownFeatures, feature) ? 'tenant' : 'plan'
      return { feature, value, from }
    })
    await output.table(rows, { FEATURE: ({ feature }) => feature, VALUE: ({ value }) => JSON.stringify(value), FROM: ({ from }) => from })
  },
})
