// The parent's hold on a contender's process, and what its backends cost.

import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { ControlPool } from '../src/postgres/control-pool.ts'
import type { BenchDatabase } from './database.ts'
import type { Site, WorkloadName } from './workload.ts'

export type Command =
  | { readonly kind: 'open'; readonly name: string; readonly applicationName: string; readonly site: Site }
  | { readonly kind: 'window'; readonly workload: WorkloadName; readonly clients: number; readonly windowMs: number }
  | { readonly kind: 'close' }

interface ClientWindow {
  readonly kind: 'window'
  readonly operations: number
  readonly elapsedMs: number
  readonly p99Ms: number
  readonly clientCpuUs: number
}

export type Reply = { readonly kind: 'done' } | ClientWindow | { readonly kind: 'failed'; readonly message: string }

export interface Window {
  readonly operationsPerSecond: number
  readonly p99Ms: number
  readonly clientUsPerOperation: number
  /** Undefined where the kernel does not say. */
  readonly serverUsPerOperation: number | undefined
}

export class ContenderProcess implements AsyncDisposable {
  readonly name: string
  readonly #child: ChildProcess
  readonly #superuser: ControlPool
  readonly #applicationName: string
  #backends: readonly number[] = []

  private constructor(name: string, database: BenchDatabase) {
    this.name = name
    this.#superuser = database.superuser
    this.#applicationName = `bench ${name}`
    this.#child = fork(new URL('./contender-process.ts', import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  }

  static async open(name: string, database: BenchDatabase): Promise<ContenderProcess> {
    const contender = new ContenderProcess(name, database)
    await contender.#ask({ kind: 'open', name, applicationName: contender.#applicationName, site: database.site })
    return contender
  }

  /** Runs a window that is not counted: it opens the connections, prepares, and lets the compiler see the code. */
  async warmUp(workload: WorkloadName, clients: number, windowMs: number): Promise<void> {
    await this.#ask({ kind: 'window', workload, clients, windowMs })
    const rows = await this.#superuser.query<{ pid: number }>(
      'select pid from pg_catalog.pg_stat_activity where starts_with(application_name, $1)',
      [this.#applicationName],
    )
    this.#backends = rows.map((row) => row.pid)
  }

  async window(workload: WorkloadName, clients: number, windowMs: number): Promise<Window> {
    const before = cpuNs(this.#backends)
    const { operations, elapsedMs, p99Ms, clientCpuUs } = (await this.#ask({ kind: 'window', workload, clients, windowMs })) as ClientWindow
    const after = cpuNs(this.#backends)
    return {
      operationsPerSecond: (operations * 1_000) / elapsedMs,
      p99Ms,
      clientUsPerOperation: clientCpuUs / operations,
      serverUsPerOperation: before === undefined || after === undefined ? undefined : (after - before) / 1_000 / operations,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ask({ kind: 'close' }).catch(() => {})
    this.#child.disconnect()
  }

  #ask(command: Command): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error(`The process of ${this.name} ended.`))
      this.#child.once('exit', onExit)
      this.#child.once('message', (reply: Reply) => {
        this.#child.off('exit', onExit)
        if (reply.kind === 'failed') reject(new Error(`${this.name}: ${reply.message}`))
        else resolve(reply)
      })
      this.#child.send(command)
    })
  }
}

/** Time on a processor of these backends. https://docs.kernel.org/scheduler/sched-stats.html */
function cpuNs(backends: readonly number[]): number | undefined {
  if (backends.length === 0) return undefined
  try {
    return backends.reduce((sum, pid) => sum + Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]), 0)
  } catch {
    return undefined
  }
}
