// partywall apikey list: what is known of a tenant's keys, which is not the keys.

import type { ApiKey } from '../../../core/api-keys.ts'
import { findTenant, needsAdmin, withAdmin } from '../../control-plane.ts'
import { verb } from '../../verb.ts'

const keysMax = 1_000

export const list = verb({
  summary: 'List the API keys of a tenant',
  args: { tenant: 'its id or slug' },
  examples: ['partywall apikey list acme'],
  needs: needsAdmin,
  async run({ args, output, terminal }) {
    const keys = await withAdmin(terminal, async (plane) =>
      plane.apiKeys.list((await findTenant(plane, args.tenant)).id, { limit: keysMax }),
    )
    await output.table(keys, {
      PREFIX: (key) => key.prefix,
      NAME: (key) => key.name,
      SCOPES: (key) => key.scopes.join(','),
      CREATED: (key) => day(key.createdAt),
      'LAST USED': (key) => day(key.lastUsedAt),
      STATE: stateOf,
    })
  },
})

function stateOf(key: ApiKey): string {
  if (key.revokedAt !== undefined) return `revoked ${day(key.revokedAt)}`
  if (key.replacedBy !== undefined) return `replaced by ${key.replacedBy}, ends ${day(key.expiresAt)}`
  return key.expiresAt === undefined ? 'good' : `ends ${day(key.expiresAt)}`
}

function day(date: Date | undefined): string {
  return date?.toISOString().slice(0, 10) ?? '-'
}
