// One PostgreSQL for all test processes that run side by side: found by a file, started by whoever is first, ended with the last.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { lstat, mkdir, open, readFile, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ConfigurationError, DatabaseUnavailableError } from '../../errors.ts'
import { isAlive } from '../../postgres/embedded-postmaster.ts'

/** A server that lasts at least until it is released. */
export interface SharedServer {
  readonly superuserUrl: string
  release(): void
}

const pollMs = 25
/** Making the data and starting takes a second or two; on a busy machine ten. */
const startMs = 90_000
const logTailLength = 2_000

/**
 * The server of this machine and user, for this copy of partywall and these binaries.
 *
 * @throws {ConfigurationError} when the directory for it is somebody else's.
 * @throws {DatabaseUnavailableError} when it does not start; the message has the end of the keeper's log.
 */
export async function shareServer(binDirectory?: string): Promise<SharedServer> {
  for (let waitedMs = 0; waitedMs < startMs; waitedMs += pollMs) {
    // Every time: a keeper that ends takes its directory along.
    const base = await openBase(binDirectory)
    const server = await joinKeeper(base)
    if (server !== undefined) return server
    const lock = await tryLock(join(base, 'starting.lock'))
    if (lock !== undefined) {
      try {
        // Another may have started one between our look and our lock.
        const started = (await joinKeeper(base)) ?? (await start(base, binDirectory))
        if (started !== undefined) return started
      } finally {
        await lock()
      }
    }
    await delay(pollMs)
  }
  throw new DatabaseUnavailableError(`The shared PostgreSQL was not ready after ${startMs} ms.`)
}

/** Others may pass through it, since the server runs as somebody else when we are root; what is secret has a mode of its own. */
async function openBase(binDirectory: string | undefined): Promise<string> {
  const { uid } = userInfo()
  const copy = createHash('sha256')
    .update(`${import.meta.url} ${binDirectory ?? ''}`)
    .digest('hex')
    .slice(0, 8)
  const base = join(tmpdir(), `partywall-kit-${uid}-${copy}`)
  await mkdir(base, { mode: 0o711, recursive: true })
  const found = await lstat(base)
  if (!found.isDirectory() || (uid >= 0 && found.uid !== uid))
    throw new ConfigurationError(`${base} is not ours: somebody else made it. Remove it, or give testTenancy() a server.`)
  return base
}

/** Undefined when nobody keeps a server now. */
async function joinKeeper(base: string): Promise<SharedServer | undefined> {
  const text = await readFile(join(base, 'keeper.json'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const { port, token } = JSON.parse(text) as { readonly port: number; readonly token: string }
  return await new Promise((resolve) => {
    const socket: Socket = connect({ host: '127.0.0.1', port })
    let heard = ''
    socket.once('error', () => resolve(undefined))
    socket.once('close', () => resolve(undefined))
    socket.once('connect', () => socket.write(`${token}\n`))
    socket.on('data', (chunk) => {
      heard += chunk.toString('utf8')
      if (!heard.includes('\n')) return
      // The connection is held for as long as this process lives, and does not keep it alive.
      socket.unref()
      resolve({ superuserUrl: (JSON.parse(heard) as { readonly superuserUrl: string }).superuserUrl, release: () => socket.destroy() })
    })
  })
}

/** Waits for a keeper of ours. It outlives us, if others hold on to it. */
async function start(base: string, binDirectory: string | undefined): Promise<SharedServer | undefined> {
  const file = new URL(import.meta.url.endsWith('.ts') ? './keeper.ts' : './keeper.js', import.meta.url)
  const logFile = join(base, 'keeper.log')
  const log = await open(logFile, 'w', 0o600)
  const child = spawn(process.execPath, [fileURLToPath(file), base, ...(binDirectory === undefined ? [] : [binDirectory])], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  let hasEnded = false
  child.once('exit', () => {
    hasEnded = true
  })
  child.once('error', () => {
    hasEnded = true
  })
  try {
    for (let waitedMs = 0; waitedMs < startMs && !hasEnded; waitedMs += pollMs) {
      const server = await joinKeeper(base)
      if (server !== undefined) return server
      await delay(pollMs)
    }
  } finally {
    child.unref()
    await log.close()
  }
  const said = (await readFile(logFile, 'utf8')).trim().slice(-logTailLength)
  throw new DatabaseUnavailableError(`The shared PostgreSQL did not start. The end of ${logFile}:\n${said}`)
}

/** A file that only one can make. One whose maker has gone is taken away. Two who start at once get two servers, and no harm. */
async function tryLock(file: string): Promise<(() => Promise<void>) | undefined> {
  const made = await open(file, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST' || error.code === 'ENOENT') return undefined
    throw error
  })
  if (made === undefined) {
    const owner = Number(await readFile(file, 'utf8').catch(() => ''))
    if (Number.isInteger(owner) && owner > 0 && !isAlive(owner)) await rm(file, { force: true })
    return undefined
  }
  await made.writeFile(String(process.pid))
  await made.close()
  return () => rm(file, { force: true })
}
