// partywall break-glass end: what is not needed any more is given back.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { asFlag, keyFlag, staffSigner } from '../../staff-signer.ts'
import { tellGrant } from '../../told-grant.ts'
import { verb } from '../../verb.ts'

export const end = verb({
  summary: 'Give your grant back before its time',
  args: { grant: 'its id' },
  flags: { as: asFlag, key: keyFlag },
  examples: ['partywall break-glass end 0b5c1d9e-3f4a-4c55-9a57-5d6f0b6f3c11 --as ada --key ~/ada.key'],
  needs: needsFleet,
  async run({ args, flags, output, terminal }) {
    const signer = await staffSigner(terminal, flags)
    tellGrant(output, await withFleet(terminal, ({ fleet }) => fleet.breakGlass.end(args.grant, signer)))
  },
})
