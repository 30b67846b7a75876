// partywall tenant: the life of a tenant, one file each in verbs/tenant/.

import { group } from '../verb.ts'

export const tenant = group({
  summary: 'Create, list, show, suspend, resume or rename tenants',
  details: 'A tenant is an id or a slug.',
  examples: ['partywall tenant create acme --plan team', 'partywall tenant list --status suspended --json'],
  verbs: {
    create: async () => (await import('./tenant/create.ts')).create,
    list: async () => (await import('./tenant/list.ts')).list,
    show: async () => (await import('./tenant/show.ts')).show,
    suspend: async () => (await import('./tenant/suspend.ts')).suspend,
    resume: async () => (await import('./tenant/resume.ts')).resume,
    rename: async () => (await import('./tenant/rename.ts')).rename,
  },
})
