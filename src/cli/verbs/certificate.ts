// partywall certificate: purge certificates and the key that signs them, one file each in verbs/certificate/.

import { group } from '../verb.ts'

export const certificate = group({
  summary: 'Print purge certificates, and the key that verifies them',
  examples: ['partywall certificate key > partywall.jwks', 'partywall certificate print 0198b5e0-8c1a-7d3e-9b6f-2c4a5e8d1f70 > acme.jws'],
  verbs: {
    key: async () => (await import('./certificate/key.ts')).key,
    print: async () => (await import('./certificate/print.ts')).print,
  },
})
