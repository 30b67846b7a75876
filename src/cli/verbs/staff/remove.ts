// partywall staff remove: whoever leaves opens nothing from the next statement on.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const remove = verb({
  summary: 'Remove a person; no grant that they asked for or approved is good any more',
  details: 'The id and the key are never anybody’s again.',
  args: { id: 'of the person' },
  examples: ['partywall staff remove ada'],
  needs: needsFleet,
  async run({ args, output, terminal }) {
    await withFleet(terminal, ({ fleet, actor }) => fleet.staff.remove(args.id, actor))
    output.lines([`${args.id} is not of the staff any more.`], { removed: args.id })
  },
})
