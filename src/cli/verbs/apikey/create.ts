// partywall apikey create: the one time that a key can be read.

import { systemClock } from '../../../core/clock.ts'
import { issueApiKey } from '../../../identity/api-key.ts'
import { findTenant, needsAdmin, withAdmin } from '../../control-plane.ts'
import { tellKey } from '../../new-key.ts'
import { verb } from '../../verb.ts'

const dayMs = 86_400_000
const daysMax = 36_500

export const create = verb({
  summary: 'Create an API key, and print it once',
  args: { tenant: 'its id or slug' },
  flags: {
    name: { kind: 'text', about: 'who will use it: "nightly export"', required: true },
    scopes: { kind: 'list', value: 'a,b', about: 'what it may do' },
    days: { kind: 'number', min: 1, max: daysMax, about: 'its life (default: until it is revoked)' },
    env: { kind: 'text', value: 'word', about: 'stands in the key: pw_<word>_…' },
  },
  examples: ['partywall apikey create acme --name "nightly export" --scopes documents:read --days 90'],
  needs: needsAdmin,
  async run({ args, flags, output, terminal }) {
    const issued = await withAdmin(terminal, async (plane) => {
      const { id } = await findTenant(plane, args.tenant)
      const expiresAt = flags.days === undefined ? undefined : new Date(systemClock.now() + flags.days * dayMs)
      const { name, scopes, env: environment } = flags
      const made = await issueApiKey(plane.apiKeys, { tenantId: id, name, scopes, expiresAt, environment })
      await plane.record({ action: 'api_key.create', tenantId: id, details: { prefix: made.key.prefix } })
      return made
    })
    tellKey(issued, { output, terminal })
  },
})
