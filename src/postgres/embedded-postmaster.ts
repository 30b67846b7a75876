// The running server: started, watched until it takes connections, stopped; and whatever a killed run left behind.
// It gets a process group of its own: Ctrl-C in a terminal reaches us alone, and we close the connections before we stop it.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFile, readlink, realpath, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { ConfigurationError, DatabaseUnavailableError } from '../errors.ts'
import type { ServerBinaries } from './embedded-binaries.ts'
import type { ServerUser } from './embedded-user.ts'

const run = promisify(execFile)

/** How often a file of the server's is looked at. `pg_ctl` does the same, at 100 ms. */
const pollIntervalMs = 20
/** Recovery after a crash may take a while; a start takes 50 to 300 ms. */
const startTimeoutMs = 60_000
/** Then the fast shutdown becomes an immediate one: the next start recovers from the write-ahead log. */
const stopTimeoutMs = 30_000

interface PostmasterOptions {
  readonly binaries: ServerBinaries
  readonly user: ServerUser | undefined
  readonly dataDirectory: string
  readonly settings: Readonly<Record<string, string | number>>
  readonly port: number
  /** An open file. The server keeps writing to it when we are killed. */
  readonly logDescriptor: number
}

/** How long a process that is just ending (Ctrl-C, then started again) may take to let go of its server. */
const ownerGraceMs = 3_000

/** A server that we started. */
export class Postmaster {
  readonly port: number
  readonly #child: ChildProcess
  readonly #exited: Promise<void>
  #stopping: Promise<void> | undefined

  private constructor(port: number, child: ChildProcess, exited: Promise<void>) {
    this.port = port
    this.#child = child
    this.#exited = exited
  }

  /** @returns undefined when the server ended instead of starting: its log says why. */
  static async start(options: PostmasterOptions): Promise<Postmaster | undefined> {
    const { dataDirectory, port } = options
    const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '', ...options.settings, port }
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const child = spawn(options.binaries.postgres, ['-D', dataDirectory, ...flags], {
      ...options.user,
      cwd: dirname(options.binaries.postgres),
      detached: true,
      stdio: ['ignore', options.logDescriptor, options.logDescriptor],
    })
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
      child.once('error', () => resolve())
    })
    const postmaster = new Postmaster(port, child, exited)
    const killWithUs = () => child.kill('SIGINT')
    process.once('exit', killWithUs)
    void exited.then(() => process.removeListener('exit', killWithUs))
    if (!(await postmaster.#isReady(dataDirectory))) return undefined
    // The server keeps no process alive that has nothing else to do; the exit listener above stops it then.
    child.unref()
    return postmaster
  }

  /** Fast shutdown (https://www.postgresql.org/docs/current/server-shutdown.html). Resolves when the process has ended. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#child.ref()
    this.#child.kill('SIGINT')
    const impatience = setTimeout(() => this.#child.kill('SIGQUIT'), stopTimeoutMs)
    await this.#exited
    clearTimeout(impatience)
  }

  async #isReady(dataDirectory: string): Promise<boolean> {
    let hasExited = false
    void this.#exited.then(() => {
      hasExited = true
    })
    for (let waitedMs = 0; waitedMs < startTimeoutMs; waitedMs += pollIntervalMs) {
      if (hasExited) return false
      const lock = await readLock(dataDirectory)
      if (lock?.pid === this.#child.pid && lock?.isReady) return true
      await delay(pollIntervalMs)
    }
    await this.stop()
    throw new DatabaseUnavailableError(`The embedded PostgreSQL was not ready after ${startTimeoutMs} ms.`)
  }
}

/**
 * Stops a server that runs on these data though the process that started it has gone, and clears a lock file that names a
 * process which is none. Stopped rather than adopted: its settings and its version may not be the ones asked for.
 *
 * @param ownerPid the process that started the last server here.
 * @throws {ConfigurationError} when that process is alive and still owns the server.
 */
export async function stopOrphan(dataDirectory: string, ownerPid: number | undefined): Promise<void> {
  const lock = await readLock(dataDirectory)
  if (lock === undefined) return
  let parent = await parentOfServer(lock.pid, dataDirectory)
  for (let waitedMs = 0; parent !== undefined && parent === ownerPid && waitedMs < ownerGraceMs; waitedMs += pollIntervalMs) {
    await delay(pollIntervalMs)
    parent = await parentOfServer(lock.pid, dataDirectory)
  }
  if (parent === undefined) {
    // PostgreSQL takes any process under the recorded number, even a zombie, for the server, and would refuse to start.
    const isStale = (await readLock(dataDirectory))?.pid === lock.pid && isAlive(lock.pid)
    if (isStale) await rm(join(dataDirectory, 'postmaster.pid'), { force: true })
    return
  }
  // An orphan belongs to init, or to whatever collects orphans here; one that its starter still owns is in use.
  if (parent === ownerPid) {
    throw new ConfigurationError(
      `The embedded PostgreSQL in ${dataDirectory} is run by another process (${parent}), on port ${lock.port}. Stop that one first, or use another directory.`,
    )
  }
  signal(lock.pid, 'SIGINT')
  for (let waitedMs = 0; (await parentOfServer(lock.pid, dataDirectory)) !== undefined; waitedMs += pollIntervalMs) {
    if (waitedMs >= stopTimeoutMs) signal(lock.pid, 'SIGQUIT')
    if (waitedMs >= 2 * stopTimeoutMs) throw new DatabaseUnavailableError(`A former PostgreSQL (process ${lock.pid}) does not stop.`)
    await delay(pollIntervalMs)
  }
}

/** A process that has ended meanwhile is what we want. */
function signal(pid: number, name: NodeJS.Signals): void {
  if (isAlive(pid)) process.kill(pid, name)
}

/** A port that is free now: the wanted one, if it is. */
export async function choosePort(wanted: number | undefined): Promise<number> {
  return (wanted ? await tryPort(wanted) : undefined) ?? (await tryPort(0)) ?? 0
}

/** Is there a process with this number? A zombie counts. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(undefined))
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined))
    })
  })
}

/** postmaster.pid: process, data directory, start time, port, socket directory, address, shared memory, status. */
async function readLock(dataDirectory: string): Promise<{ pid: number; port: number; isReady: boolean } | undefined> {
  const text = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => undefined)
  const lines = text?.split('\n') ?? []
  const pid = Number(lines[0])
  return Number.isInteger(pid) && pid > 0 ? { pid, port: Number(lines[3]), isReady: lines[7]?.trim() === 'ready' } : undefined
}

/** The parent of a process, if that process is a living server on these data. */
async function parentOfServer(pid: number, dataDirectory: string): Promise<number | undefined> {
  const found = process.platform === 'linux' ? await readProc(pid) : await readPs(pid)
  if (found === undefined) return undefined
  const data = await realpath(dataDirectory)
  return found.directory === data || found.command.includes(data) || found.command.includes(dataDirectory) ? found.parent : undefined
}

interface FoundProcess {
  readonly parent: number
  readonly command: string
  readonly directory: string | undefined
}

async function readProc(pid: number): Promise<FoundProcess | undefined> {
  const [status, command] = await Promise.all(
    ['status', 'cmdline'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => undefined)),
  )
  // A zombie has no command line any more.
  if (status === undefined || !command) return undefined
  const directory = await readlink(`/proc/${pid}/cwd`).catch(() => undefined)
  return { parent: Number(/^PPid:\s*(\d+)/m.exec(status)?.[1]), command: command.replaceAll('\0', ' '), directory }
}

async function readPs(pid: number): Promise<FoundProcess | undefined> {
  const listed = await run('ps', ['-o', 'ppid=,stat=,command=', '-p', String(pid)]).catch(() => undefined)
  const columns = /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(listed?.stdout.trimEnd() ?? '')
  if (columns === null || columns[2]?.startsWith('Z')) return undefined
  return { parent: Number(columns[1]), command: columns[3] ?? '', directory: undefined }
}
