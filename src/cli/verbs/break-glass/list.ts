// partywall break-glass list: what was asked for and what became of it.

import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { grantColumns } from '../../told-grant.ts'
import { verb } from '../../verb.ts'

export const list = verb({
  summary: 'List grants, the newest first',
  flags: {
    tenant: { kind: 'text', value: 'tenant', about: 'its id or slug (default: all tenants)' },
    live: { kind: 'switch', about: 'only those that open something, or may yet' },
    limit: { kind: 'number', value: 'n', about: 'at most so many', min: 1, max: 1000, default: 100 },
  },
  examples: ['partywall break-glass list --live', 'partywall break-glass list --tenant acme --json'],
  needs: needsFleet,
  async run({ flags: { tenant, live: isLive, limit }, output, terminal }) {
    const grants = await withFleet(terminal, async (plane) => {
      const tenantId = tenant === undefined ? undefined : (await fleetTenant(plane, tenant)).id
      return await plane.fleet.breakGlass.list({ tenantId, isLive, limit })
    })
    await output.table(grants, grantColumns)
  },
})
