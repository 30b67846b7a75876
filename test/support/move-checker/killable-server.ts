// An embedded server that can be killed as by the kernel: the postmaster and every process of it, at once, without a word. What had been
// written to its files is there when it comes again, at the same port.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type EmbeddedServer, startEmbeddedServer } from '../../../src/postgres/embedded.ts'

/** For a machine with few cores; and replication tries again soon after a server was away. What is killed keeps its files. */
const settings = {
  fsync: 'off',
  shared_buffers: '32MB',
  max_connections: 120,
  wal_retrieve_retry_interval: '200ms',
  wal_receiver_timeout: '5s',
  wal_sender_timeout: '5s',
} as const

export class KillableServer {
  readonly #directory: string
  #server: EmbeddedServer

  private constructor(directory: string, server: EmbeddedServer) {
    this.#directory = directory
    this.#server = server
  }

  static async start(directory: string): Promise<KillableServer> {
    const binDirectory = process.env['PARTYWALL_TEST_POSTGRES_BIN']
    return new KillableServer(directory, await startEmbeddedServer({ directory, settings, binDirectory }))
  }

  get superuserUrl(): string {
    return this.#server.superuserUrl
  }

  get dataDirectory(): string {
    return this.#server.dataDirectory
  }

  /** All of its processes. */
  async kill(): Promise<void> {
    const lock = await readFile(join(this.#server.dataDirectory, 'postmaster.pid'), 'utf8')
    const postmaster = Number(lock.split('\n')[0])
    for (const pid of [postmaster, ...(await childrenOf(postmaster))]) signal(pid, 'SIGKILL')
  }

  /** @param replicates whether subscriptions go on. Default true. */
  async restart({ replicates = true }: { readonly replicates?: boolean } = {}): Promise<void> {
    const binDirectory = process.env['PARTYWALL_TEST_POSTGRES_BIN']
    const { port } = this.#server
    const all = replicates ? settings : { ...settings, max_logical_replication_workers: 0 }
    this.#server = await startEmbeddedServer({ directory: this.#directory, settings: all, port, binDirectory })
  }

  async stop(): Promise<void> {
    await this.#server.stop()
  }

  /** Stops the processes that apply what replication brings, for a while. @returns how many. */
  async stallReplication(milliseconds: number): Promise<number> {
    const lock = await readFile(join(this.#server.dataDirectory, 'postmaster.pid'), 'utf8')
    const workers: number[] = []
    for (const pid of await childrenOf(Number(lock.split('\n')[0]))) {
      const title = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      if (/logical replication (parallel )?apply worker/.test(title)) workers.push(pid)
    }
    for (const pid of workers) signal(pid, 'SIGSTOP')
    await wait(milliseconds)
    for (const pid of workers) signal(pid, 'SIGCONT')
    return workers.length
  }
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const tasks = await readdir(`/proc/${pid}/task`).catch(() => [])
  const lists = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')))
  return lists.flatMap((list) => list.split(' ').filter((each) => each.trim() !== '')).map(Number)
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It is gone already.
  }
}
