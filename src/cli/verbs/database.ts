// partywall database: databases that more than one tenant lives in, one file each in verbs/database/.

import { group } from '../verb.ts'

export const database = group({
  summary: 'Make and list databases that hold many tenants',
  examples: ['partywall database create schemas-1 --holds schema', 'partywall database list'],
  verbs: {
    create: async () => (await import('./database/create.ts')).create,
    list: async () => (await import('./database/list.ts')).list,
  },
})
