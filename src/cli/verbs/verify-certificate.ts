// partywall verify-certificate: is it ours, and what does it say?

import { verifyCertificate } from '../../operations/purge-certificate.ts'
import { keySetOf, readText } from '../key-set.ts'
import { verb } from '../verb.ts'

export const verifyCertificateVerb = verb({
  summary: 'Verify a purge certificate, and print what it says',
  details: 'Needs no database with --key. Ends with 1 when a single character was changed, or another key signed it.',
  args: { file: 'the certificate, as partywall certificate print wrote it' },
  flags: {
    key: { kind: 'text', value: 'jwks', about: 'file with the public key, as partywall certificate key printed it' },
    fromStore: { kind: 'switch', about: 'take the key from the secret store' },
  },
  examples: ['partywall verify-certificate acme.jws --key partywall.jwks', 'partywall verify-certificate acme.jws --from-store --json'],
  async run({ args, flags: { key, fromStore }, output, terminal }) {
    const keySet = await keySetOf(terminal, { key, fromStore })
    const text = await readText(terminal, args.file)
    const certificate = await verifyCertificate(text, keySet)
    if (output.isJson) return output.record(certificate)
    const { tenant, operation, requestedBy, reason, purgedFrom, purgedUntil, verifiedAt, stores, notCovered } = certificate
    const by = `${requestedBy.kind} ${requestedBy.id}`
    output.record({ valid: 'yes', tenant: tenant.id, region: tenant.region, operation, by, reason, purgedFrom, purgedUntil, verifiedAt })
    const removed = stores.flatMap(({ store, removed: counts }) => counts.map((count) => ({ store, ...count })))
    await output.table(removed, {
      STORE: ({ store }) => store,
      REMOVED: ({ count }) => String(count),
      WHAT: ({ kind }) => kind,
      WHERE: ({ where }) => where,
    })
    for (const line of notCovered) terminal.note(`Not covered: ${line}`)
  },
})
