// A report that came by mail: was it changed, and does the page show what was signed?

import type { JSONWebKeySet } from 'jose'
import { EvidenceInvalidError } from '../errors.ts'
import { htmlOf, signedIn } from './html.ts'
import type { EvidenceReport } from './report.ts'
import { verifyEvidence } from './signature.ts'

/**
 * The report in a file, a page or a JWS, if it is as it was signed. A page must also be, to the last byte, what is made of the signed
 * report: the signature alone says nothing of what a reader sees.
 *
 * @param text The file.
 * @param keys What the reader trusts, got by another way than the file.
 * @throws {EvidenceInvalidError} when it is no report, was changed, or was signed by somebody else.
 */
export async function verifyEvidenceFile(text: string, keys: JSONWebKeySet): Promise<EvidenceReport> {
  const inPage = signedIn(text)
  const signed = await verifyEvidence(inPage ?? text, keys)
  if (inPage !== undefined && htmlOf(signed).trim() !== text.trim()) {
    const { partywall } = signed.report
    throw new EvidenceInvalidError(
      `The page does not show what was signed: it was changed, or made by another version (partywall ${partywall}). The signed report in it is unchanged.`,
    )
  }
  return signed.report
}
