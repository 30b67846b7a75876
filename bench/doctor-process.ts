// The doctor over the benchmark's fleet in a process of its own, so that its memory can be measured. Its argument is JSON; it prints one
// line of JSON.

import process from 'node:process'
import { memorySecrets } from '../src/core/memory-secret-store.ts'
import { collectReport } from '../src/doctor/report.ts'
import { openFleet } from '../src/fleet.ts'

export interface DoctorProcess {
  readonly catalog: string
  readonly admin: string
  readonly superuser: string
  /** Only this database, by its name in the catalog. Default: the whole fleet. */
  readonly database?: string | undefined
}

export interface DoctorResult {
  readonly ms: number
  /** The most memory that the process had, in MiB. */
  readonly rssMaxMib: number
  readonly checks: number
  readonly databases: number
  readonly verdict: string
  readonly failed: readonly string[]
}

const { catalog, admin, superuser, database } = JSON.parse(process.argv[2] ?? '{}') as DoctorProcess
const fleet = await openFleet({ catalog, admin, secrets: memorySecrets({ 'server/main/admin': superuser }) })
// What the kernel has as the most is that of the parent too, from before this program was loaded.
let rssMax = 0
const sampling = setInterval(() => {
  rssMax = Math.max(rssMax, process.memoryUsage.rss())
}, 20)
const startedMs = performance.now()
const isWanted = database === undefined ? undefined : (at: { readonly database: string | null }) => at.database === database
const report = await collectReport(fleet.doctor({ isWanted }), { silences: [], now: new Date() })
const result: DoctorResult = {
  ms: performance.now() - startedMs,
  rssMaxMib: Math.max(rssMax, process.memoryUsage.rss()) / 2 ** 20,
  checks: report.checks.length,
  databases: report.looked.databases,
  verdict: report.verdict,
  failed: report.findings.filter(({ check }) => check === 'check-failed').map(({ problem }) => problem),
}
clearInterval(sampling)
process.stdout.write(`${JSON.stringify(result)}\n`)
await fleet.close()
