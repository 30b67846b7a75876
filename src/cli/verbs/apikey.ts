// partywall apikey: keys of a tenant's API, one file each in verbs/apikey/.

import { group } from '../verb.ts'

export const apikey = group({
  summary: 'Create, list, rotate or revoke API keys of a tenant',
  details: 'A new key is printed once, as the only line on standard output. It is stored as a hash: nobody can print it again.',
  examples: ['partywall apikey create acme --name "nightly export" --scopes documents:read', 'partywall apikey list acme'],
  verbs: {
    create: async () => (await import('./apikey/create.ts')).create,
    list: async () => (await import('./apikey/list.ts')).list,
    rotate: async () => (await import('./apikey/rotate.ts')).rotate,
    revoke: async () => (await import('./apikey/revoke.ts')).revoke,
  },
})
