// partywall staff: who may ask for grants and approve them, one file each in verbs/staff/.

import { group } from '../verb.ts'

export const staff = group({
  summary: 'Say who may ask for grants and approve them',
  details:
    'Public keys are kept in the catalog and in the secret store: one that is in one of them alone opens nothing. Private keys stay with their people.',
  examples: ['partywall staff key ~/ada.key', 'partywall staff add ada --name "Ada Lovelace" --public-key <key>'],
  verbs: {
    key: async () => (await import('./staff/key.ts')).key,
    add: async () => (await import('./staff/add.ts')).add,
    list: async () => (await import('./staff/list.ts')).list,
    remove: async () => (await import('./staff/remove.ts')).remove,
  },
})
