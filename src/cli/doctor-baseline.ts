// The doctor's baseline on disk.

import { readFile, writeFile } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import type { DoctorReport } from '../doctor/report.ts'
import { parseSilences, type Silence, type WrittenSilence, writeSilences } from '../doctor/silences.ts'
import { ConfigurationError } from '../errors.ts'

/** Where it is, unless --baseline says otherwise: in the directory in which the command is called. */
const usualName = 'partywall.doctor.json'

export interface Baseline {
  /** From the directory in which the command is called, with `/`. */
  readonly name: string
  readonly path: string
  readonly silences: readonly WrittenSilence[]
}

/** @throws {ConfigurationError} when it cannot be read, or `mustExist` and it is not there. */
export async function readBaseline(cwd: string, given: string | undefined, mustExist: boolean): Promise<Baseline> {
  const path = resolve(cwd, given ?? usualName)
  const name = relative(cwd, path).replaceAll('\\', '/')
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && !mustExist) return undefined
    throw new ConfigurationError(`The baseline cannot be read: ${error.message}`, { cause: error })
  })
  return { name, path, silences: text === undefined ? [] : parseSilences(text, name) }
}

/** Findings about the doctor itself are never silenced with the others: somebody should see why. */
const never: readonly string[] = ['check-failed', 'silence']

const dayMs = 86_400_000

/** Silences all that was found, for some days; what is silenced already stays as it is, and what does not hold goes. @returns how many are new. */
export async function writeBaseline(
  { path }: Baseline,
  report: DoctorReport,
  { reason, days }: { readonly reason: string; readonly days: number },
): Promise<number> {
  const expires = new Date(Date.parse(report.at) + days * dayMs).toISOString().slice(0, 10)
  const found = report.findings.filter(({ check }) => !never.includes(check)).map(({ key }): Silence => ({ key, reason, expires }))
  const kept = report.silenced.map(({ silence }) => silence)
  await writeFile(path, writeSilences([...kept, ...found]))
  return found.length
}
