// partywall doctor --fix: shows the SQL that may be run without thinking, asks, and runs it.

import type { DoctorFinding } from '../core/doctor-finding.ts'
import { placeText } from '../doctor/report.ts'
import { AbortedError } from '../errors.ts'
import { printable } from './columns.ts'
import type { FleetPlane } from './fleet-plane.ts'
import { confirm } from './prompts.ts'
import type { Terminal } from './verb.ts'

export interface FixResult {
  readonly done: number
  readonly failed: number
}

/**
 * Each statement is a transaction of its own: what the database refuses is told, and the rest goes on. What was run is in the audit trail.
 *
 * @throws {ConfigurationError} when nobody can be asked and --yes was not given.
 * @throws {AbortedError} when the answer is no.
 */
export async function applyFixes(
  terminal: Terminal,
  { fleet, record }: Pick<FleetPlane, 'fleet' | 'record'>,
  findings: readonly DoctorFinding[],
  isAgreed: boolean,
): Promise<FixResult> {
  const safe = withoutRepeats(findings.filter(({ isFixSafe, fix }) => isFixSafe && fix !== null))
  if (safe.length === 0) {
    terminal.note('There is nothing that may be mended without thinking.')
    return { done: 0, failed: 0 }
  }
  for (const finding of safe) terminal.note(printable(`${placeText(finding.at)}, as the ${finding.fixAs}: ${finding.fix}`))
  const message = safe.length === 1 ? 'Run this statement?' : `Run these ${safe.length} statements?`
  if (!isAgreed && !(await confirm(terminal, { message, instead: '--yes' }))) throw new AbortedError('Nothing was changed.')
  let failed = 0
  for (const finding of safe) {
    const error = await fleet.mend(finding).catch((refused: Error) => refused)
    if (error === undefined) {
      await record({ action: 'doctor.mend', tenantId: undefined, details: { key: finding.key, as: finding.fixAs, sql: finding.fix } })
    } else {
      failed += 1
      terminal.note(printable(`Not mended: ${finding.key}: ${error.message}`))
    }
  }
  return { done: safe.length - failed, failed }
}

/** Two findings may be mended by one statement. */
function withoutRepeats(findings: readonly DoctorFinding[]): readonly DoctorFinding[] {
  return [...new Map(findings.map((finding) => [`${placeText(finding.at)} ${finding.fixAs} ${finding.fix}`, finding])).values()]
}
