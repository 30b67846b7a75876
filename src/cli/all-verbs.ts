// Every verb of `partywall`. Loaded when it is called: `token` must not wait for what `dev` needs.

import { group } from './verb.ts'

/** What stands behind `partywall`. */
export const allVerbs = group({
  summary: 'Tenant isolation on PostgreSQL',
  examples: ['partywall init', 'partywall tenant create acme --plan team', 'partywall help tenant suspend'],
  verbs: {
    dev: async () => (await import('./verbs/dev.ts')).dev,
    init: async () => (await import('./verbs/init.ts')).init,
    token: async () => (await import('./verbs/token.ts')).token,
    migrate: async () => (await import('./verbs/migrate.ts')).migrate,
    tenant: async () => (await import('./verbs/tenant.ts')).tenant,
    server: async () => (await import('./verbs/server.ts')).server,
    apikey: async () => (await import('./verbs/apikey.ts')).apikey,
    completions: async () => (await import('./verbs/completions.ts')).completions,
  },
})
