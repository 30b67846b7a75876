// Migrates the fleet of the benchmark in a process of its own, so that its memory can be measured and it can be killed.
// Arguments: JSON. It prints a line of JSON for each event, and one with the result.

import process from 'node:process'
import { openMigrations } from '../src/postgres/rollout/open-rollout.ts'

export interface FleetProcess {
  readonly catalog: string
  readonly admin: string
  readonly directory: string
  readonly concurrency: number
}

export interface FleetResult {
  readonly state: string
  readonly done: number
  readonly failed: number
  readonly ms: number
  /** The most memory that the process had, in MiB. */
  readonly rssMaxMib: number
}

const { directory, ...options } = JSON.parse(process.argv[2] ?? '{}') as FleetProcess
const secrets = { get: async () => undefined }
const { rollout, close } = await openMigrations({ ...options, directory: new URL(directory), secrets, leaseMs: 5_000 })
const print = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`)
// What the kernel has as the most is that of the parent too, from before this program was loaded.
let rssMax = 0
const sampling = setInterval(() => {
  rssMax = Math.max(rssMax, process.memoryUsage.rss())
}, 20)
const startedMs = performance.now()
const { state, done, failed } = await rollout.up({ actor: { kind: 'service', id: 'bench' }, onEvent: print })
const ms = performance.now() - startedMs
print({ kind: 'result', state, done, failed, ms, rssMaxMib: rssMax / 2 ** 20 })
clearInterval(sampling)
await close()
