// partywall kit: the isolation kit from the command line.

import { group } from '../verb.ts'

export const kit = group({
  summary: 'Try to cross the wall of your own tables and routes',
  examples: ['partywall kit run --app src/application.ts', 'partywall kit list'],
  verbs: {
    run: async () => (await import('./kit/run.ts')).run,
    prove: async () => (await import('./kit/prove.ts')).prove,
    list: async () => (await import('./kit/list.ts')).list,
  },
})
