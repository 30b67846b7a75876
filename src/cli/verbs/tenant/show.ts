// partywall tenant show: what the catalog has of one tenant.

import { findTenant, needsCatalog, withCatalog } from '../../control-plane.ts'
import { verb } from '../../verb.ts'

export const show = verb({
  summary: 'Show a tenant',
  args: { tenant: 'its id or slug' },
  examples: ['partywall tenant show acme', 'partywall tenant show acme --json'],
  needs: needsCatalog,
  async run({ args, output, terminal }) {
    output.record(await withCatalog(terminal, (plane) => findTenant(plane, args.tenant)))
  },
})
