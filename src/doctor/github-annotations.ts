// Findings as workflow commands of GitHub Actions, which shows them beside the run.
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands

import type { DoctorFinding, DoctorLevel } from '../core/doctor-finding.ts'
import { type DoctorReport, placeText } from './report.ts'

const commands: Readonly<Record<DoctorLevel, string>> = { error: 'error', warning: 'warning', note: 'notice' }

/** A line for each finding that is not silenced, and for each place that was not looked at. */
export function githubAnnotations({ findings, unseen }: Pick<DoctorReport, 'findings' | 'unseen'>): readonly string[] {
  const gaps = unseen.filter(({ kind }) => kind === 'gap')
  return [
    ...findings.map(annotation),
    ...gaps.map(({ what, why }) => `::warning title=${property('partywall doctor: not looked at')}::${data(`${what}: ${why}`)}`),
  ]
}

function annotation({ check, level, at, object, problem, gain, fix, key }: DoctorFinding): string {
  const title = `${check}: ${placeText(at)}: ${object}`
  const text = [problem, `Gains: ${gain}`, ...(fix === null ? [] : [`Mends it: ${fix}`]), `Key: ${key}`].join('\n')
  return `::${commands[level]} title=${property(title)}::${data(text)}`
}

/** As in @actions/core, src/command.ts. */
function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
