// Four quiet tenants, 25 requests a second each, beside one that attacks: their 99th percentile over that of the same tenants
// alone, in the same round. A plain pool, first come, first served, is shown beside it.

import { type ChildProcess, fork } from 'node:child_process'
import type { BenchDatabase } from './database.ts'
import type { Attack, NoisyCommand, NoisyReply } from './noisy-process.ts'
import { type Quartiles, quartiles, seeded, shuffled } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'

const attacks: readonly Attack[] = ['flood', 'sleep', 'scan', 'mix']
const phaseMs = 4_000
const roundsMax = 5
const fifoRounds = 1
const loneClients = 64

export async function noisyNeighbour(database: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  const ratios: Record<string, Quartiles> = {}
  const notes: string[] = []
  for (const pool of ['partywall', 'fifo'] as const) {
    const child = fork(new URL('./noisy-process.ts', import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    try {
      await ask(child, { kind: 'open', pool, site: database.site })
      const rounds = pool === 'fifo' ? fifoRounds : Math.min(options.rounds, roundsMax)
      const prefix = pool === 'fifo' ? 'fifo-' : ''
      await attackInRounds(child, rounds, (key, values, note) => {
        ratios[`${prefix}${key}`] = quartiles(values)
        if (note !== undefined) notes.push(`${pool}: ${note}`)
      })
      if (pool === 'partywall') Object.assign(ratios, await loneTenant(child, options.rounds))
    } finally {
      child.disconnect()
    }
  }
  return { benchmark: 'noisy-neighbour', ratios, notes }
}

async function attackInRounds(
  child: ChildProcess,
  rounds: number,
  found: (key: string, values: readonly number[], note?: string) => void,
): Promise<void> {
  const random = seeded(7)
  const p99 = new Map<Attack, number[]>(attacks.map((attack) => [attack, []]))
  const p50 = new Map<Attack, number[]>(attacks.map((attack) => [attack, []]))
  const shown = new Map<Attack, string>()
  for (let round = 0; round < rounds; round++) {
    const alone = await ask(child, { kind: 'phase', attack: undefined, phaseMs })
    for (const attack of shuffled(attacks, random)) {
      const under = await ask(child, { kind: 'phase', attack, phaseMs })
      p99.get(attack)!.push(under.p99Ms / alone.p99Ms)
      p50.get(attack)!.push(under.p50Ms / alone.p50Ms)
      shown.set(
        attack,
        `${attack}: quiet p99 ${under.p99Ms.toFixed(2)} ms, alone ${alone.p99Ms.toFixed(2)} ms, aggressor ${under.operationsPerSecond.toFixed(0)} op/s`,
      )
    }
  }
  for (const attack of attacks) {
    found(`p99-under-attack/alone@${attack}`, p99.get(attack)!, shown.get(attack))
    found(`p50-under-attack/alone@${attack}`, p50.get(attack)!)
  }
}

/** What one tenant alone gets, over what as many clients of many tenants get: reading, and holding connections for 5 ms. */
async function loneTenant(child: ChildProcess, rounds: number): Promise<Record<string, Quartiles>> {
  const found: Record<string, number[]> = { 'lone/pool': [], 'lone/pool@holding': [] }
  for (let round = 0; round < rounds; round++) {
    for (const [key, sleepS] of [
      ['lone/pool', 0],
      ['lone/pool@holding', 0.005],
    ] as const) {
      const measure = async (tenants: number): Promise<number> => {
        // The window of contention passes first: a lone tenant is one whose neighbours have gone.
        await new Promise((resolve) => setTimeout(resolve, 600))
        return (await ask(child, { kind: 'lone', tenants, clients: loneClients, sleepS, phaseMs: 250 })).operationsPerSecond
      }
      const pool = await measure(loneClients)
      found[key]!.push((await measure(1)) / pool)
    }
  }
  return Object.fromEntries(Object.entries(found).map(([key, values]) => [key, quartiles(values)]))
}

function ask(child: ChildProcess, command: NoisyCommand): Promise<NoisyReply> {
  return new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error('The noisy process ended.'))
    child.once('exit', onExit)
    child.once('message', (reply: NoisyReply) => {
      child.off('exit', onExit)
      if (reply.error === undefined) resolve(reply)
      else reject(new Error(reply.error))
    })
    child.send(command)
  })
}
