// partywall break-glass: the one way for staff to a tenant's data, one file each in verbs/break-glass/.

import { group } from '../verb.ts'

export const breakGlass = group({
  summary: 'Let staff at one tenant’s data for minutes: asked for by one, approved by another',
  details: 'What was asked for, who approved it and each statement are kept in the audit trail, and the tenant can see its grants.',
  examples: [
    'partywall break-glass request acme --as ada --key ~/ada.key --reason "invoice of May is missing" --ticket SUP-4711 --minutes 30',
    'partywall break-glass list --live',
  ],
  verbs: {
    request: async () => (await import('./break-glass/request.ts')).request,
    approve: async () => (await import('./break-glass/approve.ts')).approve,
    deny: async () => (await import('./break-glass/deny.ts')).deny,
    query: async () => (await import('./break-glass/query.ts')).query,
    end: async () => (await import('./break-glass/end.ts')).end,
    revoke: async () => (await import('./break-glass/revoke.ts')).revoke,
    list: async () => (await import('./break-glass/list.ts')).list,
  },
})
