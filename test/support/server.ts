// One PostgreSQL for a whole test run: started by global-setup.ts and announced to the test files through the environment, or
// by the first test of a file that runs alone. Nothing of it needs to survive, so nothing of it is flushed to disk.
// PARTYWALL_TEST_POSTGRES_BIN=/usr/lib/postgresql/15/bin runs the tests on another PostgreSQL.

import { mkdir, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedServer, startEmbeddedServer } from '../../src/postgres/embedded.ts'
import { createTemplate } from './template.ts'

/** What a test file needs to know of the server. */
export interface TestServer {
  readonly port: number
  readonly superuserUrl: string
  readonly version: string
}

const announcement = 'PARTYWALL_TEST_SERVER'
const prefix = 'partywall-test-'

const settings = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  max_connections: 200,
  shared_buffers: '64MB',
  max_wal_size: '4GB',
  autovacuum_naptime: '1h',
}

/** Starts a server with the template in it, in a directory that dies with it. */
export async function startTestServer(): Promise<EmbeddedServer> {
  await removeAbandoned()
  const directory = join(tmpdir(), `${prefix}${process.pid}`)
  await mkdir(directory, { recursive: true })
  const server = await startEmbeddedServer({ directory, settings, binDirectory: process.env['PARTYWALL_TEST_POSTGRES_BIN'] })
  const stop = async () => {
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await createTemplate(server.superuserUrl)
  } catch (error) {
    await stop()
    throw error
  }
  return { ...server, stop }
}

/** Tells the test files of this run where the server is. */
export function announce(server: TestServer): void {
  const { port, superuserUrl, version } = server
  process.env[announcement] = JSON.stringify({ port, superuserUrl, version })
}

let own: Promise<EmbeddedServer> | undefined

/** The server of this run, or one of this file's own when the file runs alone. */
export async function testServer(): Promise<TestServer> {
  const announced = process.env[announcement]
  if (announced !== undefined) return JSON.parse(announced) as TestServer
  own ??= startTestServer()
  return own
}

/** For the end of the file. Called by database.ts after its databases are dropped. */
export async function stopOwnServer(): Promise<void> {
  const server = await own?.catch(() => undefined)
  own = undefined
  await server?.stop()
}

/** A run that was killed leaves its server and its directory behind. Starting in it stops the server; then it can go. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = Number(name.startsWith(prefix) ? name.slice(prefix.length) : Number.NaN)
    if (!Number.isInteger(owner) || isRunning(owner)) continue
    const directory = join(tmpdir(), name)
    const server = await startEmbeddedServer({ directory, settings }).catch(() => undefined)
    await server?.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
