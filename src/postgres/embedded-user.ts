// Who runs the embedded server. PostgreSQL refuses root, and a root shell is what most containers give: then the server runs
// as an unprivileged user, which must be able to reach its data and its binaries. Where it cannot (a project under /root), both
// live under /var/lib/partywall.

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chown, lstat, mkdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ConfigurationError } from '../errors.ts'

const run = promisify(execFile)

/** The ids to spawn with. Undefined stands for ourselves, whenever we are not root. */
export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

/** The first of these that exists runs the server when we are root. */
const unprivilegedUsers = ['postgres', 'nobody']

/** Ourselves, unless we are root: then the owner of the data, or an unprivileged user. */
export async function chooseServerUser(dataDirectory: string): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const owner = await stat(dataDirectory).catch(() => undefined)
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  for (const name of unprivilegedUsers) {
    const user = await findUser(name)
    if (user !== undefined) return user
  }
  throw new ConfigurationError(
    `PostgreSQL does not run as root, and there is none of the users ${unprivilegedUsers.join(', ')} to run it as. Make one (useradd --system postgres), or start as an ordinary user.`,
  )
}

async function findUser(name: string): Promise<ServerUser | undefined> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  } catch {
    return undefined
  }
}

/** Where new data of this directory go: into it, or elsewhere when the server's user could not reach them there. */
export async function homeOf(options: {
  readonly directory: string
  readonly user: ServerUser | undefined
}): Promise<{ dataDirectory: string; isElsewhere: boolean }> {
  const { directory, user } = options
  if (user === undefined || (await canEnter(directory, user))) return { dataDirectory: join(directory, 'postgres'), isElsewhere: false }
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 16)
  const home = join(await sharedDirectory(), name)
  await makeOwned(home, user)
  return { dataDirectory: join(home, 'postgres'), isElsewhere: true }
}

/** A directory of root's that everybody can enter. */
export async function sharedDirectory(): Promise<string> {
  const candidates = ['/var/lib/partywall', join(tmpdir(), 'partywall')]
  for (const candidate of candidates) {
    const made = await mkdir(candidate, { recursive: true, mode: 0o755 }).catch(() => 'refused')
    const found = made === 'refused' ? undefined : await lstat(candidate)
    // Somebody else's directory (a trap in /tmp) is not ours to trust.
    if (found?.isDirectory() && found.uid === 0) return candidate
  }
  throw new ConfigurationError(
    `Neither of ${candidates.join(' and ')} can be used for the embedded PostgreSQL's files. Choose a directory that the server's user can reach.`,
  )
}

/** Makes a directory that belongs to the server's user. */
export async function makeOwned(directory: string, user: ServerUser | undefined): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  if (user !== undefined) await chown(directory, user.uid, user.gid)
}

/** Asks the kernel, because modes are not the whole story (ACLs, mounts, user namespaces). */
export async function canEnter(directory: string, user: ServerUser): Promise<boolean> {
  try {
    await run('/bin/sh', ['-c', 'cd -- "$1"', 'sh', directory], { ...user, cwd: '/' })
    return true
  } catch {
    return false
  }
}
