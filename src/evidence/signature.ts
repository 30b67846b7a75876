// A report is signed as a compact JWS (RFC 7515) with the installation's Ed25519 key, the one that signs purge certificates.

import { CompactSign, compactVerify, createLocalJWKSet, type JSONWebKeySet } from 'jose'
import { EvidenceInvalidError } from '../errors.ts'
import type { CertificateKey } from '../operations/certificate-key.ts'
import type { EvidenceReport } from './report.ts'

/** In the protected header, so that nothing else that the key has signed can be taken for a report. */
const mediaType = 'partywall-evidence+jws'

/** A report with its signature. */
export interface SignedEvidence {
  readonly report: EvidenceReport
  /** The compact JWS: the report, and the signature over it. */
  readonly text: string
  readonly kid: string
}

export async function signEvidence(report: EvidenceReport, key: CertificateKey): Promise<SignedEvidence> {
  const payload = new TextEncoder().encode(JSON.stringify(report))
  const text = await new CompactSign(payload).setProtectedHeader({ alg: 'EdDSA', typ: mediaType, kid: key.kid }).sign(key.private)
  return { report, text, kid: key.kid }
}

/**
 * The report in a JWS, if it is as it was signed.
 *
 * @param keys What the reader trusts, got by another way than the report.
 * @throws {EvidenceInvalidError} when it was changed, signed by another key, or is something else.
 */
export async function verifyEvidence(text: string, keys: JSONWebKeySet): Promise<SignedEvidence> {
  try {
    const { payload, protectedHeader } = await compactVerify(text.trim(), createLocalJWKSet(keys), { algorithms: ['EdDSA'] })
    if (protectedHeader.typ !== mediaType) throw new EvidenceInvalidError('It is signed, but is no evidence report.')
    const report = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)) as EvidenceReport
    return { report, text: text.trim(), kid: protectedHeader.kid ?? '' }
  } catch (error) {
    if (error instanceof EvidenceInvalidError) throw error
    throw new EvidenceInvalidError('The report was changed, or was not signed by this key.', { cause: error })
  }
}
