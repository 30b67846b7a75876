// What one would show a customer, of the demonstration: the doctor's verdict, and a signed report for the first of its tenants.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../core/clock.ts'
import type { Tenant } from '../../core/tenant.ts'
import { collectReport, type DoctorReport } from '../../doctor/report.ts'
import { htmlOf } from '../../evidence/html.ts'
import { tally } from '../../evidence/report.ts'
import type { Fleet } from '../../fleet.ts'
import { canaryFindings } from '../../postgres/canaries.ts'
import type { WallPair } from './wall-pairs.ts'

export interface DemoProof {
  readonly doctor: DoctorReport
  readonly evidence: { readonly file: string; readonly counts: ReturnType<typeof tally> }
}

export async function proveDemo(parts: {
  readonly fleet: Fleet
  readonly tenant: Tenant
  readonly wall: readonly WallPair[]
  /** The app's URL. */
  readonly app: string
  readonly directory: string
}): Promise<DemoProof> {
  const { fleet, tenant, wall, app, directory } = parts
  const doctor = await collectReport(fleet.doctor(), { silences: [], now: new Date(systemClock.now()) })
  const signed = await fleet.evidence.report(tenant, {
    actor: { kind: 'system', id: 'partywall dev' },
    sources: {
      attacks: async () => ({
        at: new Date(systemClock.now()),
        attempts: wall.filter(({ victim }) => victim === tenant.slug).flatMap(({ attempts }) => attempts),
      }),
      canaries: () =>
        canaryFindings({ reader: fleet.reader, database: app, clock: systemClock, applicationName: 'partywall dev', prepare: undefined }),
    },
  })
  const file = join(directory, `evidence-${tenant.slug}.html`)
  await writeFile(file, htmlOf(signed), { mode: 0o600 })
  return { doctor, evidence: { file, counts: tally(signed.report) } }
}

/** For the greeting. */
export function proofLines({ doctor, evidence }: DemoProof): readonly string[] {
  const { verdict, counts, looked, checks, findings } = doctor
  const { passed, failed, told, not_present: absent, not_seen: unseen } = evidence.counts
  return [
    '',
    `The doctor: ${verdict}. ${checks.length} checks over ${looked.servers} servers and ${looked.databases} databases: ${counts.error} errors, ${counts.warning} warnings, ${counts.note} notes.`,
    ...findings.filter(({ level }) => level === 'error').map(({ check, object, problem }) => `  ${check}: ${object}: ${problem}`),
    `Evidence to send to a customer: ${evidence.file}`,
    `  ${passed} passed, ${failed} failed, ${told} stated, ${absent} not present, ${unseen} not seen`,
  ]
}
