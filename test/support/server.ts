// One PostgreSQL for a whole test run: started by global-setup.ts and announced to the test files through the environment, or
// by the first test of a file that runs alone. Nothing of it needs to survive, so nothing of it is flushed to disk.
// A second one, for tenants with a server of their own, is started the same way when the run, or the file, needs it.
// PARTYWALL_TEST_POSTGRES_BIN=/usr/lib/postgresql/15/bin runs the tests on another PostgreSQL.

import { mkdir, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedServer, startEmbeddedServer } from '../../src/postgres/embedded.ts'
import { createTemplates, createWallTemplate } from './template.ts'

/** What a test file needs to know of the server. */
export interface TestServer {
  readonly port: number
  readonly superuserUrl: string
  readonly version: string
}

/** `catalog`: with the catalog's template and the wall's. `second`: with the wall's alone. */
export type ServerKind = 'catalog' | 'second'

const announcements: Readonly<Record<ServerKind, string>> = { catalog: 'PARTYWALL_TEST_SERVER', second: 'PARTYWALL_TEST_SECOND_SERVER' }
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

/** Starts a server with the templates in it, in a directory that dies with it. */
export async function startTestServer(kind: ServerKind): Promise<EmbeddedServer> {
  await removeAbandoned()
  const directory = join(tmpdir(), `${prefix}${process.pid}${kind === 'catalog' ? '' : `-${kind}`}`)
  await mkdir(directory, { recursive: true })
  const server = await startEmbeddedServer({ directory, settings, binDirectory: process.env['PARTYWALL_TEST_POSTGRES_BIN'] })
  const stop = async () => {
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await (kind === 'catalog' ? createTemplates(server.superuserUrl) : createWallTemplate(server.superuserUrl))
  } catch (error) {
    await stop()
    throw error
  }
  return { ...server, stop }
}

/** Tells the test files of this run where a server is. */
export function announce(kind: ServerKind, server: TestServer): void {
  const { port, superuserUrl, version } = server
  process.env[announcements[kind]] = JSON.stringify({ port, superuserUrl, version })
}

const own = new Map<ServerKind, Promise<EmbeddedServer>>()

/** The server of this run, or one of this file's own when the file runs alone. */
export async function testServer(kind: ServerKind = 'catalog'): Promise<TestServer> {
  const announced = process.env[announcements[kind]]
  if (announced !== undefined) return JSON.parse(announced) as TestServer
  const started = own.get(kind) ?? startTestServer(kind)
  own.set(kind, started)
  return await started
}

/** For the end of the file. Called by database.ts after its databases are dropped. */
export async function stopOwnServers(): Promise<void> {
  const started = [...own.values()]
  own.clear()
  for (const server of await Promise.allSettled(started)) if (server.status === 'fulfilled') await server.value.stop()
}

/** A run that was killed leaves its server and its directory behind. Starting in it stops the server; then it can go. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = Number(new RegExp(`^${prefix}([0-9]+)(-second)?$`).exec(name)?.[1] ?? Number.NaN)
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
