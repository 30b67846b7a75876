// partywall apikey revoke: the end of a key, within seconds and for good.

import { findTenant, needsAdmin, withAdmin } from '../../control-plane.ts'
import { verb } from '../../verb.ts'

export const revoke = verb({
  summary: 'End an API key',
  args: { tenant: 'its id or slug', prefix: 'of the key, as apikey list shows it' },
  examples: ['partywall apikey revoke acme 4fJk29Qx81Za'],
  needs: needsAdmin,
  async run({ args: { tenant, prefix }, output, terminal }) {
    const { slug } = await withAdmin(terminal, async (plane) => {
      const found = await findTenant(plane, tenant)
      await plane.apiKeys.revoke(found.id, prefix)
      await plane.record({ action: 'api_key.revoke', tenantId: found.id, details: { prefix } })
      return found
    })
    if (output.isJson) output.record({ tenant: slug, prefix, state: 'revoked' })
    else terminal.note(`Revoked ${prefix} of ${slug}. Processes that have just used it forget it within seconds.`)
  },
})
