// partywall tenant: the life of a tenant, one file each in verbs/tenant/.

import { group } from '../verb.ts'

export const tenant = group({
  summary: 'Onboard, clone, list, show, verify, suspend, resume, rename or off-board tenants',
  details: 'A tenant is an id or a slug.',
  examples: ['partywall tenant onboard acme --plan team', 'partywall tenant list --status suspended --json'],
  verbs: {
    onboard: async () => (await import('./tenant/onboard.ts')).onboard,
    create: async () => (await import('./tenant/create.ts')).create,
    clone: async () => (await import('./tenant/clone.ts')).clone,
    list: async () => (await import('./tenant/list.ts')).list,
    show: async () => (await import('./tenant/show.ts')).show,
    verify: async () => (await import('./tenant/verify.ts')).verify,
    features: async () => (await import('./tenant/features.ts')).features,
    rename: async () => (await import('./tenant/rename.ts')).rename,
    'change-plan': async () => (await import('./tenant/change-plan.ts')).changePlan,
    suspend: async () => (await import('./tenant/suspend.ts')).suspend,
    resume: async () => (await import('./tenant/resume.ts')).resume,
    offboard: async () => (await import('./tenant/offboard.ts')).offboard,
  },
})
