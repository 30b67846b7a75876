// One report, of facts.

import { checklist } from './checklist.ts'
import type { EvidenceFacts } from './facts.ts'
import { assertSourced } from './proof-source.ts'
import type { EvidenceReport } from './report.ts'
import { sections } from './sections.ts'

/**
 * @param about When it is made, from when on events are told, and by which version.
 * @throws {EvidenceInvalidError} when a sentence names nothing that is behind it: such a report is not to be signed.
 */
export function buildReport(
  facts: EvidenceFacts,
  about: { readonly now: Date; readonly since: Date; readonly partywall: string },
): EvidenceReport {
  const { id, slug, name, placement, region } = facts.tenant
  const report: EvidenceReport = {
    version: 1,
    tenant: { id, slug, name, isolation: placement.isolation, region },
    generatedAt: about.now.toISOString(),
    since: about.since.toISOString(),
    partywall: about.partywall,
    sections: [...sections.map((section) => section(facts, about.now)), checklist(facts, about.now)],
  }
  assertSourced(report)
  return report
}
