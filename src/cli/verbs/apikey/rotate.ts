// partywall apikey rotate: a new key beside the old one, which ends after a grace.

import { rotateApiKey } from '../../../identity/api-key.ts'
import { findTenant, needsAdmin, withAdmin } from '../../control-plane.ts'
import { tellKey } from '../../new-key.ts'
import { verb } from '../../verb.ts'

const graceSecMax = 9_999_999

export const rotate = verb({
  summary: 'Replace an API key, and print the new one once',
  args: { tenant: 'its id or slug', prefix: 'of the key to replace, as apikey list shows it' },
  flags: {
    grace: { kind: 'number', value: 'seconds', min: 0, max: graceSecMax, about: 'how long the old key is good still (default: a day)' },
  },
  examples: ['partywall apikey rotate acme 4fJk29Qx81Za --grace 3600'],
  needs: needsAdmin,
  async run({ args: { tenant, prefix }, flags, output, terminal }) {
    const issued = await withAdmin(terminal, async (plane) => {
      const { id } = await findTenant(plane, tenant)
      const made = await rotateApiKey(plane.apiKeys, { tenantId: id, prefix, graceSec: flags.grace })
      await plane.record({ action: 'api_key.rotate', tenantId: id, details: { prefix, replacedBy: made.key.prefix } })
      return made
    })
    tellKey(issued, { output, terminal })
  },
})
