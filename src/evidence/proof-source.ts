// What a sentence of a report may stand on. A sentence that names none of these is neither signed nor shown.

import { EvidenceInvalidError } from '../errors.ts'
import type { EvidenceReport } from './report.ts'

/** Each can be run or read again by who doubts it: what begins with `partywall` is a command, the rest is run with the report. */
export const proofSources = Object.freeze([
  'partywall tenant verify',
  'partywall doctor',
  'partywall audit list',
  'partywall audit verify',
  'partywall break-glass list',
  'partywall backup list',
  'partywall move list',
  /** Of a part that does not exist, so that there is nothing to run. */
  'partywall evidence',
  'neighbour probe',
  'live canaries',
  'roles of the server',
  'plans and limits of the login',
  'catalog',
  'catalog and server',
  'report of attacks',
] as const)

/** What was run, or read. */
export type ProofSource = (typeof proofSources)[number]

/** @throws {EvidenceInvalidError} for a sentence that does not say what is behind it, and when that was seen. */
export function assertSourced({ sections }: EvidenceReport): void {
  for (const { id, proof } of sections.flatMap(({ statements }) => statements)) {
    const isKnown = (proofSources as readonly string[]).includes(proof?.by)
    if (isKnown && !Number.isNaN(Date.parse(proof.at))) continue
    throw new EvidenceInvalidError(
      `The statement ${id} has nothing behind it that this version knows: by ${JSON.stringify(proof?.by)}, at ${JSON.stringify(proof?.at)}.`,
    )
  }
}
