// partywall certificate key: what others need to verify our certificates.

import { certificateKeySet } from '../../../operations/certificate-key.ts'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const key = verb({
  summary: 'Print the public key of purge certificates, as a JSON Web Key Set',
  details: 'Give it to whoever is to verify certificates. Made when there is none yet.',
  examples: ['partywall certificate key > partywall.jwks'],
  needs: needsFleet,
  async run({ output, terminal }) {
    const keySet = await withFleet(terminal, ({ secrets }) => certificateKeySet(secrets))
    output.value(JSON.stringify(keySet), keySet)
  },
})
