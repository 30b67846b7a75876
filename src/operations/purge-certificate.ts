// The purge certificate: what was removed of a tenant, where, how much of it, when, by whom, and what it does not speak for.
// A compact JWS (RFC 7515) signed with Ed25519 (RFC 8037): one line of text, which anybody can verify who has the public key.

import { createHash } from 'node:crypto'
import { CompactSign, compactVerify, createLocalJWKSet, type JSONWebKeySet, type JWK } from 'jose'
import type { Actor } from '../core/actor.ts'
import type { Placement } from '../core/placement.ts'
import type { PurgeCount } from '../core/placement-adapter.ts'
import { CertificateInvalidError } from '../errors.ts'
import type { CertificateKey } from './certificate-key.ts'

/** What a store held, lost, and still has: nothing. */
export interface CertifiedStore {
  readonly store: string
  readonly before: readonly PurgeCount[]
  readonly removed: readonly PurgeCount[]
  /** Read again after the purge. A certificate exists only when this is empty in every store. */
  readonly after: readonly PurgeCount[]
}

/** What a certificate says. */
export interface PurgeCertificate {
  readonly version: 1
  readonly operation: string
  readonly tenant: {
    readonly id: string
    /** SHA-256 of the slug, in hexadecimal digits: whoever knows the name can check it, nobody can read it. */
    readonly slugSha256: string
    readonly region: string
    readonly placement: Placement
  }
  readonly requestedBy: Actor
  readonly requestedAt: string
  readonly reason: string
  readonly purgedFrom: string
  readonly purgedUntil: string
  readonly verifiedAt: string
  readonly export: { readonly manifestSha256: string; readonly rows: number } | null
  readonly stores: readonly CertifiedStore[]
  /** In words: what was not, and could not be, removed by this operation. */
  readonly notCovered: readonly string[]
}

export interface SignedCertificate {
  /** The compact JWS. */
  readonly text: string
  /** Of that text, in hexadecimal digits: the tombstone has it too. */
  readonly sha256: string
  readonly kid: string
}

const mediaType = 'partywall-purge-certificate+jws'

/** What no purge of live stores reaches. */
export const notCoveredByPurges: readonly string[] = Object.freeze([
  'Backups and archived write-ahead log of the servers: they hold the rows until their retention ends.',
  'Read replicas and standbys: they follow the primary, and may lag behind it.',
  'Free space inside data files: PostgreSQL reuses it, and does not overwrite it at once.',
  'The audit trail: it keeps the ids of tenants and actors, and no rows.',
  'Copies that the application, its users or an export made elsewhere.',
])

export async function signCertificate(certificate: PurgeCertificate, key: CertificateKey): Promise<SignedCertificate> {
  const payload = new TextEncoder().encode(JSON.stringify(certificate))
  const text = await new CompactSign(payload).setProtectedHeader({ alg: 'EdDSA', typ: mediaType, kid: key.kid }).sign(key.private)
  return { text, sha256: createHash('sha256').update(text).digest('hex'), kid: key.kid }
}

/**
 * What a certificate says, when it is one, and was signed by that key.
 *
 * @param publicKey the public JWK, or a set of them: the one whose `kid` the certificate names is used, and no other.
 * @throws {CertificateInvalidError} when any character of it was changed, the key is another, or it says that something was left.
 *
 * @example
 * ```ts
 * const certificate = await verifyCertificate(await readFile('umbrella.jws', 'utf8'), keySet)
 * console.log(certificate.tenant.id, certificate.verifiedAt)
 * ```
 */
export async function verifyCertificate(text: string, publicKey: JWK | JSONWebKeySet): Promise<PurgeCertificate> {
  const keys = createLocalJWKSet('keys' in publicKey ? (publicKey as JSONWebKeySet) : { keys: [publicKey as JWK] })
  try {
    const { payload, protectedHeader } = await compactVerify(text.trim(), keys, { algorithms: ['EdDSA'] })
    if (protectedHeader.typ !== mediaType)
      throw new CertificateInvalidError(`It is signed, but is no purge certificate: ${protectedHeader.typ}.`)
    return checkedCertificate(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)))
  } catch (error) {
    if (error instanceof CertificateInvalidError) throw error
    throw new CertificateInvalidError('The signature does not verify: the text was changed, or another key signed it.', { cause: error })
  }
}

/** A signature alone proves who said it, not that it is what we mean by a certificate. */
function checkedCertificate(value: unknown): PurgeCertificate {
  const certificate = value as Partial<PurgeCertificate> | null
  const isOne =
    certificate?.version === 1 &&
    typeof certificate.operation === 'string' &&
    typeof certificate.tenant?.id === 'string' &&
    typeof certificate.verifiedAt === 'string' &&
    Array.isArray(certificate.stores) &&
    Array.isArray(certificate.notCovered)
  if (!isOne) throw new CertificateInvalidError('It is signed, but is no purge certificate of a version that is known here.')
  const left = certificate.stores?.find((store) => !Array.isArray(store.after) || store.after.length > 0)
  if (left !== undefined) throw new CertificateInvalidError(`It says that something was left in ${left.store}: nothing was purged in full.`)
  return certificate as PurgeCertificate
}
