// partywall server: the servers of the fleet, one file each in verbs/server/.

import { group } from '../verb.ts'

export const server = group({
  summary: 'List servers, and drain them',
  examples: ['partywall server list', 'partywall server drain eu-2 --reason "out of warranty"'],
  verbs: {
    list: async () => (await import('./server/list.ts')).list,
    drain: async () => (await import('./server/drain.ts')).drain,
    activate: async () => (await import('./server/activate.ts')).activate,
  },
})
