// partywall stock: places made in advance, one file each in verbs/stock/.

import { group } from '../verb.ts'

export const stock = group({
  summary: 'Make places in advance, so that new tenants wait for nothing',
  examples: ['partywall stock fill --isolation database --region eu --count 5', 'partywall stock show'],
  verbs: {
    fill: async () => (await import('./stock/fill.ts')).fill,
    show: async () => (await import('./stock/show.ts')).show,
  },
})
