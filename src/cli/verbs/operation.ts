// partywall operation: the journal of what is done to tenants, one file each in verbs/operation/.

import { group } from '../verb.ts'

export const operation = group({
  summary: 'See operations on tenants, and go on with them',
  details:
    'Onboarding, renames, changes of plan, suspensions, off-boarding: each is kept in a journal and survives the death of its process.',
  examples: ['partywall operation list --state failed', 'partywall operation resume'],
  verbs: {
    list: async () => (await import('./operation/list.ts')).list,
    show: async () => (await import('./operation/show.ts')).show,
    resume: async () => (await import('./operation/resume.ts')).resume,
    retry: async () => (await import('./operation/retry.ts')).retry,
    cancel: async () => (await import('./operation/cancel.ts')).cancel,
    watch: async () => (await import('./operation/watch.ts')).watch,
  },
})
