// partywall break-glass revoke: at once, and without a key: closing must be easier than opening.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { tellGrant } from '../../told-grant.ts'
import { verb } from '../../verb.ts'

export const revoke = verb({
  summary: 'Take a grant back at once, whoever is inside',
  args: { grant: 'its id' },
  examples: ['partywall break-glass revoke 0b5c1d9e-3f4a-4c55-9a57-5d6f0b6f3c11'],
  needs: needsFleet,
  async run({ args, output, terminal }) {
    tellGrant(output, await withFleet(terminal, ({ fleet, actor }) => fleet.breakGlass.revoke(args.grant, actor)))
  },
})
