// A report for people.

import type { DoctorFinding } from '../core/doctor-finding.ts'
import { blindSpots } from './blind-spots.ts'
import { type DoctorReport, placeText, type SilencedFinding } from './report.ts'

/** Every line of a report: findings, what was silenced, what was not seen, the verdict. Control characters are as the database gave them. */
export function reportLines(report: DoctorReport): readonly string[] {
  return [...report.findings.flatMap(findingLines), ...report.silenced.flatMap(silencedLines), ...summaryLines(report)]
}

/** One finding. */
export function findingLines({ check, level, at, object, problem, gain, fix, fixAs, isFixSafe, key }: DoctorFinding): readonly string[] {
  const whose = `as the ${fixAs}${isFixSafe ? ', safe' : ''}`
  return [
    `${level}: ${check}: ${placeText(at)}: ${object}`,
    `  ${problem}`,
    `  Gains: ${gain}`,
    ...(fix === null
      ? ['  A person must decide: see the page of the check.']
      : [`  Mends it (${whose}): ${fix.replaceAll(/\s*\n\s*/g, ' ')}`]),
    `  Key: ${key}`,
  ]
}

/** One that is known. */
export function silencedLines({ finding, silence }: SilencedFinding): readonly string[] {
  return [`silenced until ${silence.expires}: ${finding.key}`, `  ${silence.reason}`]
}

/** What the findings come to, and what they rest on. */
export function summaryLines({ verdict, counts, silenced, left, looked, checks, unseen, level }: DoctorReport): readonly string[] {
  const gaps = unseen.filter(({ kind }) => kind === 'gap')
  const limits = unseen.filter(({ kind }) => kind === 'limit')
  const dated = checks.filter(({ asOf }) => asOf !== undefined)
  return [
    ...(gaps.length === 0 ? [] : ['Not looked at:', ...gaps.map(({ what, why }) => `  ${what}: ${why}`)]),
    'It cannot see:',
    ...limits.map(({ what, why, at }) => `  ${placeText(at)}: ${what}: ${why}`),
    ...blindSpots.map((spot) => `  ${spot}`),
    ...dated.map(({ stem, asOf }) => `  What became known after ${asOf}: so old is the list of ${stem}.`),
    `${counted(checks.length, 'check')}, ${counted(looked.servers, 'server')}, ${counted(looked.databases, 'database')}: ${counted(counts.error, 'error')}, ${counted(counts.warning, 'warning')}, ${counted(counts.note, 'note')}, ${silenced.length} silenced${left === 0 ? '' : `, ${left} of them not listed`}.`,
    verdicts[verdict](level),
  ]
}

const verdicts: Readonly<Record<DoctorReport['verdict'], (level: string) => string>> = {
  sound: (level) => (level === 'note' ? 'Sound: nothing was found.' : `Sound: nothing was found of the level ${level} or above.`),
  found: () => 'Not sound: see above.',
  incomplete: () => 'No verdict: nothing was found, but not all could be looked at.',
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
