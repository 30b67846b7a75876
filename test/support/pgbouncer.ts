// A real PgBouncer in transaction mode, pinned to one server connection: every client is served by the same session.

import { spawn } from 'node:child_process'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { chooseServerUser } from '../../src/postgres/embedded-user.ts'
import { debianBinary } from './debian-binary.ts'

const binaries = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer']

/** @returns the URL of the same database and login, through PgBouncer. */
export async function startPgbouncer(t: TestContext, targetUrl: string): Promise<string> {
  const binary = debianBinary('pgbouncer', binaries, 'on macOS: brew install pgbouncer')
  const target = new URL(targetUrl)
  const directory = await mkdtemp(join(tmpdir(), 'partywall-pgbouncer-'))
  const port = await freePort()
  // It refuses to run as root.
  const user = await chooseServerUser(directory)
  const users = join(directory, 'users.txt')
  const config = join(directory, 'pgbouncer.ini')
  await writeFile(users, `"${target.username}" "${decodeURIComponent(target.password)}"\n`, { mode: 0o600 })
  await writeFile(
    config,
    `[databases]
* = host=${target.hostname} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${users}
pool_mode = transaction
default_pool_size = 1
max_client_conn = 100
ignore_startup_parameters = extra_float_digits
`,
  )
  if (user !== undefined) for (const path of [directory, users, config]) await chown(path, user.uid, user.gid)
  const child = spawn(binary, [config], { ...user, stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
    await rm(directory, { recursive: true, force: true })
  })
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`PgBouncer ended with ${child.exitCode}.`)
  }
  target.hostname = '127.0.0.1'
  target.port = String(port)
  return target.href
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => setImmediate(() => resolve(false)))
  })
}
