// partywall verify-evidence: is a report ours, and does its page show what was signed?

import { tally } from '../../evidence/report.ts'
import { verifyEvidenceFile } from '../../evidence/verify-file.ts'
import { keySetOf, readText } from '../key-set.ts'
import { verb } from '../verb.ts'

export const verifyEvidenceVerb = verb({
  summary: 'Verify an evidence report, and say what is in it',
  details: 'Needs no database with --key. Ends with 1 when a single character was changed, or another key signed it.',
  args: { file: 'the report: a page or a JWS' },
  flags: {
    key: { kind: 'text', value: 'jwks', about: 'file with the public key, as partywall certificate key printed it' },
    fromStore: { kind: 'switch', about: 'take the key from the secret store' },
  },
  examples: ['partywall verify-evidence acme.html --key partywall.jwks', 'partywall verify-evidence acme.jws --from-store --json'],
  async run({ args, flags: { key, fromStore }, output, terminal }) {
    const keys = await keySetOf(terminal, { key, fromStore })
    const report = await verifyEvidenceFile(await readText(terminal, args.file), keys)
    const { tenant, generatedAt, since } = report
    output.record({ valid: 'yes', tenant: tenant.slug, id: tenant.id, generatedAt, since, ...tally(report) })
  },
})
