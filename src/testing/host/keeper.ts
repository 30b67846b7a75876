// A process of its own that keeps one PostgreSQL for all test processes of this machine and user. Whoever wants the server holds a
// connection to it; a process that is killed lets go as surely as one that ends. With the last of them the server ends, and its
// directory goes.
//
//   node keeper.ts <directory> [<bin directory>]
//
//   directory/keeper.json      port and token of the keeper that serves now; 0600
//   directory/server-<pid>/    the server of the keeper with that number

import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { type EmbeddedServer, startEmbeddedServer } from '../../postgres/embedded.ts'
import { isAlive } from '../../postgres/embedded-postmaster.ts'

/** So long after its last client a server waits for the next: test files often run one after another. */
const lingerMs = 2_000
/** So long a server waits for its first. */
const firstClientMs = 30_000
/** A client says its token at once, or it is none. */
const helloMs = 5_000

/** Nothing here needs to survive, so nothing is flushed to disk. */
const settings = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  max_connections: 300,
  shared_buffers: '64MB',
  max_wal_size: '4GB',
  autovacuum_naptime: '1h',
}

const [directory, binDirectory] = process.argv.slice(2)
if (directory === undefined) process.exit(2)
await keep(directory, binDirectory)

async function keep(base: string, bin: string | undefined): Promise<void> {
  await removeAbandoned(base, bin)
  const home = join(base, `server-${process.pid}`)
  const postgres = await startEmbeddedServer({ directory: home, settings, binDirectory: bin })
  const token = randomBytes(24).toString('base64url')
  const door = await openDoor({ token, postgres, onEmpty: () => void end() })
  const description = join(base, 'keeper.json')
  const port = (door.address() as { readonly port: number }).port
  const draft = join(base, `keeper.json.${process.pid}`)
  await writeFile(draft, JSON.stringify({ pid: process.pid, port, token }), { mode: 0o600 })
  await rename(draft, description)
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => void end())

  let ending: Promise<void> | undefined
  function end(): Promise<void> {
    ending ??= (async () => {
      // First nobody new, then the server. Who comes now starts a keeper with a directory of its own.
      door.close()
      await postgres.stop()
      await rm(postgres.dataDirectory, { recursive: true, force: true })
      await rm(home, { recursive: true, force: true })
      await leave(base)
      process.exit(0)
    })()
    return ending
  }
}

/** Takes away what says where we were, unless another has come meanwhile; and the directory, if nobody needs it. */
async function leave(base: string): Promise<void> {
  const file = join(base, 'keeper.json')
  const text = await readFile(file, 'utf8').catch(() => '')
  if (text !== '' && (JSON.parse(text) as { readonly pid: number }).pid !== process.pid) return
  await rm(file, { force: true })
  await rm(join(base, 'keeper.log'), { force: true })
  await rmdir(base).catch(() => {})
}

function openDoor(options: { readonly token: string; readonly postgres: EmbeddedServer; onEmpty(): void }): Promise<Server> {
  const clients = new Set<Socket>()
  let idle = setTimeout(options.onEmpty, firstClientMs)
  const door = createServer((socket) => {
    socket.on('error', () => {})
    const impatience = setTimeout(() => socket.destroy(), helloMs)
    let heard = ''
    socket.on('data', (chunk) => {
      heard += chunk.toString('utf8')
      if (clients.has(socket) || (!heard.includes('\n') && heard.length < 200)) return
      clearTimeout(impatience)
      if (!isSame(heard.split('\n', 1)[0] ?? '', options.token)) return void socket.destroy()
      clearTimeout(idle)
      clients.add(socket)
      const { superuserUrl, version } = options.postgres
      socket.write(`${JSON.stringify({ superuserUrl, version })}\n`)
    })
    socket.on('close', () => {
      clearTimeout(impatience)
      if (!clients.delete(socket) || clients.size > 0) return
      clearTimeout(idle)
      idle = setTimeout(options.onEmpty, lingerMs)
    })
  })
  return new Promise((resolve, reject) => {
    door.once('error', reject)
    door.listen(0, '127.0.0.1', () => resolve(door))
  })
}

function isSame(given: string, token: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(token)]
  return one.length === other.length && timingSafeEqual(one, other)
}

/** What keepers that were killed have left: starting in their directories stops their servers, and then those can go. */
async function removeAbandoned(base: string, bin: string | undefined): Promise<void> {
  for (const name of await readdir(base)) {
    const owner = Number(/^server-([0-9]+)$/.exec(name)?.[1] ?? Number.NaN)
    if (!Number.isInteger(owner) || owner === process.pid || isAlive(owner)) continue
    const directory = join(base, name)
    const server = await startEmbeddedServer({ directory, settings, binDirectory: bin }).catch(() => undefined)
    await server?.stop()
    if (server !== undefined) await rm(server.dataDirectory, { recursive: true, force: true })
    await rm(directory, { recursive: true, force: true })
  }
}
