// Paired rounds. In each round every contender has one window, in an order drawn anew; ratios are taken inside the round, so
// that what the machine does beside us meets subject and rival alike.

import { ContenderProcess, type Window } from './contender.ts'
import type { BenchDatabase } from './database.ts'
import { type Quartiles, quantile, quartiles, seeded, shuffled } from './quartiles.ts'
import type { WorkloadName } from './workload.ts'

export interface RunOptions {
  readonly rounds: number
  readonly clients: readonly number[]
  readonly windowMs: number
  /** How many tenants a benchmark of many makes; each has a default of its own. */
  readonly tenants?: number | undefined
  /** Rows of the tenant that `drop` empties. */
  readonly dropRows?: number | undefined
  /** Rows of the tenant that moves. Default 100,000. */
  readonly moveRows?: number | undefined
  /** Of the fleet that is migrated. */
  readonly fleet: { readonly schemas: number; readonly databases: number }
  readonly log: (line: string) => void
}

export interface BenchmarkResult {
  readonly benchmark: string
  readonly ratios: Readonly<Record<string, Quartiles>>
  /** Rates and times of this machine, with their unit in the name. */
  readonly figures?: Readonly<Record<string, number>> | undefined
  /** What is worth knowing beside the ratios. */
  readonly notes: readonly string[]
}

export interface Comparison {
  readonly benchmark: string
  readonly workload: WorkloadName
  /** The contender's process, and in the ratios' keys `partywall`. */
  readonly subject: string
  readonly rivals: readonly string[]
  /** `rate`: operations per second, more is better. `time`: time for one, less is better. */
  readonly measure: 'rate' | 'time'
}

export async function compare(comparison: Comparison, database: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  const { benchmark, workload, subject, rivals, measure } = comparison
  await using open = new AsyncDisposableStack()
  const contenders: ContenderProcess[] = []
  for (const name of [subject, ...rivals]) contenders.push(open.use(await ContenderProcess.open(name, database)))
  const ratios: Record<string, Quartiles> = {}
  const notes: string[] = []
  for (const clients of options.clients) {
    const windows = await playRounds(contenders, workload, clients, options)
    const ofSubject = windows.get(subject)!
    for (const rival of rivals) {
      const ofRival = windows.get(rival)!
      const perRound = ofSubject.map((window, round) => {
        const rate = window.operationsPerSecond / ofRival[round]!.operationsPerSecond
        return measure === 'rate' ? rate : 1 / rate
      })
      ratios[`partywall/${rival}@${clients}`] = quartiles(perRound)
    }
    for (const [name, list] of windows) notes.push(describe(name, clients, list))
  }
  return { benchmark, ratios, notes }
}

async function playRounds(
  contenders: readonly ContenderProcess[],
  workload: WorkloadName,
  clients: number,
  options: RunOptions,
): Promise<ReadonlyMap<string, readonly Window[]>> {
  const random = seeded(clients)
  const windows = new Map<string, Window[]>(contenders.map((contender) => [contender.name, []]))
  for (const contender of contenders) await contender.warmUp(workload, clients, options.windowMs * 3)
  for (let round = 0; round < options.rounds; round++) {
    for (const contender of shuffled(contenders, random)) {
      windows.get(contender.name)!.push(await contender.window(workload, clients, options.windowMs))
    }
  }
  return windows
}

function describe(name: string, clients: number, windows: readonly Window[]): string {
  const median = (of: (window: Window) => number): string => quantile(windows.map(of), 0.5).toFixed(of(windows[0]!) < 10 ? 2 : 0)
  const server = windows[0]!.serverUsPerOperation === undefined ? '' : `, server ${median((window) => window.serverUsPerOperation!)} µs/op`
  return (
    `${name} @${clients}: ${median((window) => window.operationsPerSecond)} op/s, p99 ${median((window) => window.p99Ms)} ms, ` +
    `client ${median((window) => window.clientUsPerOperation)} µs/op${server}`
  )
}
