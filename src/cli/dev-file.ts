// .partywall/dev.json: where a running `partywall dev` can be found. Written when it serves, removed when it stops.

import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Isolation } from '../core/placement.ts'
import { ConfigurationError } from '../errors.ts'
import { writePrivately } from './private-file.ts'

/** What is in the file. It has secrets of the demonstration: only its owner may read it. */
export interface DevFile {
  readonly url: string
  readonly tenants: readonly {
    readonly slug: string
    readonly id: string
    /** Where it lives. */
    readonly isolation: Isolation
    readonly token: string
    readonly apiKey: string
  }[]
  readonly database: {
    /** URL of the app's login: behind the wall. */
    readonly app: string
    /** URL of the migrator's login. */
    readonly admin: string
    /** URL of the gatekeeper's login. */
    readonly gatekeeper: string
    readonly host: string
    readonly port: number
    readonly name: string
  }
  /** Directory of the secret store: what opens the other servers and the tenants' own databases. */
  readonly secrets: string
  /** Directory of the application's migrations. */
  readonly migrations?: string | undefined
  /** Directory of the configuration that the application goes by, if it has one. */
  readonly config?: string | undefined
  /** The application's module. */
  readonly app?: string | undefined
  /** Directory of the servers of tenants' own. */
  readonly servers?: string | undefined
  /** The process that serves. */
  readonly pid: number
}

const fileName = 'dev.json'

export async function writeDevFile(directory: string, content: DevFile): Promise<void> {
  await writePrivately(join(directory, fileName), `${JSON.stringify(content, null, 2)}\n`)
}

/** Removes it if it is this process's own. */
export async function removeDevFile(directory: string, pid: number): Promise<void> {
  const found = await read(join(directory, fileName))
  if (found?.pid === pid) await rm(join(directory, fileName), { force: true })
}

/** That of the nearest `.partywall/`, here or above, if its process is running. */
export async function findDevFile(cwd: string): Promise<DevFile | undefined> {
  for (let here = cwd; ; here = dirname(here)) {
    const found = await read(join(here, '.partywall', fileName))
    if (found !== undefined && isRunning(found.pid)) return found
    if (here === dirname(here)) return undefined
  }
}

async function read(file: string): Promise<DevFile | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as DevFile
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new ConfigurationError(`${file} cannot be read: ${(error as Error).message}. Are you the user who runs partywall dev?`, {
      cause: error,
    })
  }
}

/** Whoever was killed leaves the file behind. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
