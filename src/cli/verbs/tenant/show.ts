// partywall tenant show: what the catalog has of one tenant, and on request what its database has.

import type { PlacementFacts } from '../../../core/placement-adapter.ts'
import type { Tenant } from '../../../core/tenant.ts'
import { findTenant, needsCatalog, withCatalog } from '../../control-plane.ts'
import { fleetTenant, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const show = verb({
  summary: 'Show a tenant: status, placement, version, features',
  args: { tenant: 'its id or slug' },
  flags: { facts: { kind: 'switch', about: 'ask its database too: gate, version, tables with rows and bytes' } },
  examples: ['partywall tenant show acme', 'partywall tenant show acme --facts --json'],
  needs: `${needsCatalog}; for --facts what partywall tenant onboard needs`,
  async run({ args, flags, output, terminal }) {
    if (!flags.facts) return output.record(await withCatalog(terminal, (plane) => findTenant(plane, args.tenant)))
    const { tenant, facts } = await withFleet(terminal, async (plane): Promise<{ tenant: Tenant; facts: PlacementFacts }> => {
      const found = await fleetTenant(plane, args.tenant)
      return { tenant: found, facts: await plane.fleet.placements.for(found.placement.isolation).describe(found) }
    })
    if (output.isJson) return output.record({ ...tenant, facts })
    const { gate, tables, version: versionThere } = facts
    output.record({ ...tenant, gate: gate ?? 'none', versionThere: versionThere ?? 'none' })
    await output.table(tables, {
      TABLE: ({ name }) => name,
      ROWS: ({ rows }) => String(rows),
      BYTES: ({ bytes }) => String(bytes),
    })
  },
})
