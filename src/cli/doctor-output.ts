// How the doctor's report leaves the command line.

import { githubAnnotations } from '../doctor/github-annotations.ts'
import type { DoctorReport } from '../doctor/report.ts'
import { reportLines, summaryLines } from '../doctor/report-lines.ts'
import { sarifOf } from '../doctor/sarif.ts'
import { partywallVersion } from '../partywall-version.ts'
import { printable } from './columns.ts'
import type { Output } from './output.ts'
import type { Terminal } from './verb.ts'

export interface ToldReport {
  readonly terminal: Terminal
  readonly output: Output
  readonly format: string
  /** The baseline, from the directory of the call. */
  readonly baseline: string
  readonly docs: string | undefined
}

/** With --json the findings have been told already, a line each, and this is the last line. */
export function tellReport(report: DoctorReport, { terminal, output, format, baseline, docs }: ToldReport): void {
  if (output.isJson) {
    const { findings: _, silenced, checks, ...rest } = report
    output.record({ kind: 'verdict', ...rest, checks: checks.length, silenced: silenced.length })
    return
  }
  for (const line of linesIn(format, report, { baseline, docs })) terminal.print(printable(line))
  // Beside the annotations, which GitHub takes from standard output.
  if (format === 'github') for (const line of summaryLines(report)) terminal.note(printable(line))
}

function linesIn(format: string, report: DoctorReport, { baseline, docs }: Pick<ToldReport, 'baseline' | 'docs'>): readonly string[] {
  switch (format) {
    case 'json':
      return [JSON.stringify(report)]
    case 'sarif':
      return [JSON.stringify(sarifOf(report, { version: partywallVersion(), docs, baseline }))]
    case 'github':
      return githubAnnotations(report)
    default:
      return reportLines(report)
  }
}
