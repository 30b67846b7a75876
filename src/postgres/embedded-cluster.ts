// The data of the embedded server: made once, whole or not at all, and refused when another major version wrote them.

import { execFile } from 'node:child_process'
import { chown, lstat, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { ConfigurationError } from '../errors.ts'
import type { ServerBinaries } from './embedded-binaries.ts'
import { isAlive } from './embedded-postmaster.ts'
import { makeOwned, type ServerUser } from './embedded-user.ts'

const run = promisify(execFile)

interface ClusterOptions {
  readonly dataDirectory: string
  readonly user: ServerUser | undefined
  readonly binaries: ServerBinaries
  readonly password: string
  /** False saves the flush to disk: for tests. */
  readonly isDurable: boolean
}

/**
 * Makes the cluster, unless it is there.
 *
 * @throws {ConfigurationError} when the data are another major version's.
 */
export async function createCluster(options: ClusterOptions): Promise<void> {
  const { dataDirectory, binaries } = options
  const written = await readFile(join(dataDirectory, 'PG_VERSION'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (written === undefined) return initialize(options)
  if (Number(written) !== binaries.majorVersion) {
    throw new ConfigurationError(
      `The data in ${dataDirectory} were written by PostgreSQL ${written.trim()}, but the server is ${binaries.version}. Start it with PostgreSQL ${written.trim()} and dump what you need, or delete the directory to start afresh.`,
    )
  }
}

/** In a draft beside the final place: a kill in the middle leaves a draft that the next run removes, never half a cluster. */
async function initialize(options: ClusterOptions): Promise<void> {
  const { dataDirectory, user, binaries, password } = options
  const parent = dirname(dataDirectory)
  await removeAbandonedDrafts(dataDirectory)
  const draft = join(parent, `${basename(dataDirectory)}.draft-${process.pid}`)
  await makeOwned(draft, user)
  // Inside a directory of mode 0700 of the server's own; initdb wants an empty one, so that the cluster lies one level deeper.
  const passwordFile = join(draft, 'password')
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
  if (user !== undefined) await chown(passwordFile, user.uid, user.gid)
  const cluster = join(draft, 'cluster')
  const builtinLocale = binaries.majorVersion >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'] : []
  const flags = [
    '--username=postgres',
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
    '--no-locale',
    ...builtinLocale,
  ]
  try {
    await run(binaries.initdb, [`--pgdata=${cluster}`, ...flags, ...(options.isDurable ? [] : ['--no-sync'])], { ...user, cwd: draft })
    await rename(cluster, dataDirectory)
  } catch (error) {
    const { stderr } = error as { stderr?: string }
    throw new ConfigurationError(`initdb failed in ${parent}: ${stderr?.trim() || (error as Error).message}`, { cause: error })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

async function removeAbandonedDrafts(dataDirectory: string): Promise<void> {
  const parent = dirname(dataDirectory)
  const prefix = `${basename(dataDirectory)}.draft-`
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix)) continue
    const owner = Number(name.slice(prefix.length))
    const isDirectory = (await lstat(join(parent, name))).isDirectory()
    if (isDirectory && (owner === process.pid || !isAlive(owner))) await rm(join(parent, name), { recursive: true, force: true })
  }
}
