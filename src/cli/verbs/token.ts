// partywall token: a capability for psql, BI tools and other languages.

import { needsCatalog, withCatalog } from '../control-plane.ts'
import { verb } from '../verb.ts'

export const token = verb({
  summary: 'Print a short-lived capability of one tenant, for psql and other languages',
  details: `Prints the capability and nothing else. In a transaction over the app's login,

  begin; select partywall.bind('<capability>'); select … ; commit;

sees that tenant's rows. It is a secret for as long as it lives. Issuing is audited. A suspended tenant gets none.`,
  args: { tenant: 'its id or slug' },
  flags: { ttl: { kind: 'number', value: 'seconds', about: 'its life', min: 1, max: 3_600, default: 60 } },
  examples: ['partywall token acme', 'partywall token acme --ttl 600'],
  needs: needsCatalog,
  async run({ args, flags: { ttl }, output, terminal }) {
    const { id, handle } = await withCatalog(terminal, async ({ tenants, capabilities, record }) => {
      const tenant = await tenants.get(args.tenant)
      await record({ action: 'capability.issue', tenantId: tenant.id, reason: 'partywall token' })
      return { id: tenant.id, handle: (await capabilities.issue(tenant.id, ttl * 1_000)).handle }
    })
    output.value(handle, { tenant: id, capability: handle, ttlSec: ttl })
  },
})
