// partywall certificate print: the certificate of an off-boarding that is done.

import { OperationNotFoundError } from '../../../errors.ts'
import type { SignedCertificate } from '../../../operations/purge-certificate.ts'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const print = verb({
  summary: 'Print the purge certificate of an off-boarding, as one line of text',
  args: { operation: 'the id of the off-boarding' },
  examples: ['partywall certificate print 0198b5e0-8c1a-7d3e-9b6f-2c4a5e8d1f70 > acme.jws'],
  needs: needsFleet,
  async run({ args: { operation: id }, output, terminal }) {
    const operation = await withFleet(terminal, ({ fleet }) => fleet.tenants.get(id))
    const certificate = operation.steps['certify']?.output as unknown as SignedCertificate | undefined
    if (certificate === undefined) {
      throw new OperationNotFoundError(`The operation ${id} (${operation.kind}, ${operation.state}) has no certificate.`)
    }
    output.value(certificate.text, { operation: id, ...certificate })
  },
})
