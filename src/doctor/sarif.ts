// A report as SARIF 2.1.0, for code scanning. https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html

import type { CheckFacts } from '../core/doctor-event.ts'
import type { DoctorFinding } from '../core/doctor-finding.ts'
import { ownRules } from '../core/doctor-own-rules.ts'
import { type DoctorReport, placeText } from './report.ts'
import type { Silence } from './silences.ts'

export interface SarifOptions {
  /** Which partywall looked, as `0.1.0`. */
  readonly version: string
  /** Where the pages of the checks are read: an absolute address that ends with `/`; a rule's helpUri is this and `<check>.md`. */
  readonly docs?: string | undefined
  /** The baseline, from the root of the repository. Code scanning shows no finding without a file, and this is where one is silenced. */
  readonly baseline: string
}

/** The log, as an object. What is silenced is in it, as suppressed (§3.35). */
export function sarifOf(report: DoctorReport, { version, docs, baseline }: SarifOptions): object {
  const rules = rulesOf(report)
  const indices = new Map(rules.map(({ stem }, at) => [stem, at]))
  const result = (finding: DoctorFinding, silence?: Silence): object => resultOf({ finding, silence, indices, baseline })
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'partywall doctor',
            semanticVersion: version,
            rules: rules.map((rule) => ruleOf(rule, docs)),
          },
        },
        invocations: [
          {
            executionSuccessful: report.unseen.every(({ kind }) => kind !== 'gap'),
            startTimeUtc: report.at,
            toolExecutionNotifications: report.unseen.map(({ kind, what, why }) => ({
              level: kind === 'gap' ? 'warning' : 'note',
              message: { text: `Not seen: ${what}: ${why}` },
            })),
          },
        ],
        results: [
          ...report.findings.map((finding) => result(finding)),
          ...report.silenced.map(({ finding, silence }) => result(finding, silence)),
        ],
      },
    ],
  }
}

function rulesOf({ checks, findings, silenced }: DoctorReport): readonly CheckFacts[] {
  const found = new Set([...findings, ...silenced.map(({ finding }) => finding)].map(({ check }) => check))
  return [...checks, ...ownRules.filter(({ stem }) => found.has(stem))]
}

function ruleOf({ stem, level, title, gain, scope }: CheckFacts, docs: string | undefined): object {
  return {
    id: stem,
    shortDescription: { text: `${title}.` },
    fullDescription: { text: gain },
    defaultConfiguration: { level },
    properties: { scope, tags: ['security', 'tenant-isolation'] },
    ...(docs !== undefined && { helpUri: new URL(`${stem}.md`, docs).href }),
  }
}

interface Result {
  readonly finding: DoctorFinding
  readonly silence: Silence | undefined
  readonly indices: ReadonlyMap<string, number>
  readonly baseline: string
}

function resultOf({ finding, silence, indices, baseline }: Result): object {
  const { check, level, at, object, problem, gain, fix, fixAs, isFixSafe, key } = finding
  const text = [`${placeText(at)}: ${problem}`, gain, ...(fix === null ? [] : [`As the ${fixAs}: ${fix}`])].join('\n')
  const ruleIndex = indices.get(check)
  return {
    ruleId: check,
    ...(ruleIndex !== undefined && { ruleIndex }),
    level,
    message: { text },
    locations: [
      {
        physicalLocation: { artifactLocation: { uri: encodeURI(baseline) }, region: { startLine: 1 } },
        logicalLocations: [{ name: object, fullyQualifiedName: `${placeText(at)}/${object}` }],
      },
    ],
    partialFingerprints: { 'partywallKey/v1': key },
    ...(silence !== undefined && {
      suppressions: [{ kind: 'external', justification: `${silence.reason} (until ${silence.expires})` }],
    }),
    properties: { fix, fixAs, isFixSafe },
  }
}
