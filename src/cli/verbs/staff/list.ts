// partywall staff list: everybody, those who were removed as well.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const list = verb({
  summary: 'List the staff, and who was',
  examples: ['partywall staff list'],
  needs: needsFleet,
  async run({ output, terminal }) {
    await output.table(await withFleet(terminal, ({ fleet }) => fleet.staff.list()), {
      ID: ({ id }) => id,
      NAME: ({ name }) => name,
      'PUBLIC KEY': ({ publicKey }) => publicKey,
      ADDED: ({ addedAt }) => addedAt.toISOString().slice(0, 10),
      BY: ({ addedBy }) => addedBy,
      REMOVED: ({ removedAt }) => removedAt?.toISOString().slice(0, 10) ?? '-',
    })
  },
})
