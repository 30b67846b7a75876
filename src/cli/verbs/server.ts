// partywall server: the servers of the fleet, one file each in verbs/server/.

import { group } from '../verb.ts'

export const server = group({
  summary: 'Add, check, drain and remove servers and their replicas',
  examples: ['partywall server list', 'partywall server drain eu-2 --reason "out of warranty"'],
  verbs: {
    list: async () => (await import('./server/list.ts')).list,
    add: async () => (await import('./server/add.ts')).add,
    'adopt-main': async () => (await import('./server/adopt-main.ts')).adoptMain,
    check: async () => (await import('./server/check.ts')).check,
    set: async () => (await import('./server/set.ts')).set,
    drain: async () => (await import('./server/drain.ts')).drain,
    activate: async () => (await import('./server/activate.ts')).activate,
    remove: async () => (await import('./server/remove.ts')).remove,
    replicas: async () => (await import('./server/replicas.ts')).replicas,
    'add-replica': async () => (await import('./server/add-replica.ts')).addReplica,
    'remove-replica': async () => (await import('./server/remove-replica.ts')).removeReplica,
  },
})
