// partywall break-glass deny: signed by somebody else than who asked.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { asFlag, keyFlag, staffSigner } from '../../staff-signer.ts'
import { tellGrant } from '../../told-grant.ts'
import { verb } from '../../verb.ts'

export const deny = verb({
  summary: 'Deny what somebody else asked for',
  args: { grant: 'its id' },
  flags: { as: asFlag, key: keyFlag },
  examples: ['partywall break-glass deny 0b5c1d9e-3f4a-4c55-9a57-5d6f0b6f3c11 --as grace --key ~/grace.key'],
  needs: needsFleet,
  async run({ args, flags, output, terminal }) {
    const signer = await staffSigner(terminal, flags)
    tellGrant(output, await withFleet(terminal, ({ fleet }) => fleet.breakGlass.deny(args.grant, signer)))
  },
})
