// partywall verify-certificate: is it ours, and what does it say?

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { JSONWebKeySet } from 'jose'
import { ConfigurationError } from '../../errors.ts'
import { certificateKeySet } from '../../operations/certificate-key.ts'
import { verifyCertificate } from '../../operations/purge-certificate.ts'
import { withFleet } from '../fleet-plane.ts'
import { type Terminal, verb } from '../verb.ts'

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
    if ((key === undefined) !== fromStore) throw new ConfigurationError('Say whose signature it is to be: --key <jwks>, or --from-store.')
    const text = await readText(terminal, args.file)
    const keySet =
      key === undefined
        ? await withFleet(terminal, ({ secrets }) => certificateKeySet(secrets))
        : parsedKey(key, await readText(terminal, key))
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

async function readText({ cwd }: Terminal, file: string): Promise<string> {
  return await readFile(resolve(cwd, file), 'utf8').catch((error: Error) => {
    throw new ConfigurationError(`${file} cannot be read: ${error.message}`, { cause: error })
  })
}

function parsedKey(file: string, text: string): JSONWebKeySet {
  try {
    const read = JSON.parse(text) as JSONWebKeySet
    if (Array.isArray(read?.keys)) return read
  } catch {
    // Said below.
  }
  throw new ConfigurationError(`${file} is no JSON Web Key Set: write it with partywall certificate key.`)
}
