// partywall residency: where data must stay.

import { group } from '../verb.ts'

export const residency = group({
  summary: 'Check that every tenant lives in its region',
  examples: ['partywall residency check'],
  verbs: { check: async () => (await import('./residency/check.ts')).check },
})
