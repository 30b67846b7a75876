import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ConfigurationError, DatabaseUnavailableError } from '../../src/errors.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { type EmbeddedServer, type EmbeddedServerOptions, startEmbeddedServer } from '../../src/postgres/embedded.ts'

const isRoot = process.getuid?.() === 0
const binDirectory = process.env['PARTYWALL_TEST_POSTGRES_BIN']

test('a server starts on a bare machine, and keeps its data, password and port between runs', async (t) => {
  const directory = await scratch(t)
  const first = await start(t, { directory })
  await query(first, 'create table kept as select 42 as answer')
  await first.stop()
  await first.stop()
  await assert.rejects(query(first, 'select 1'), DatabaseUnavailableError)

  const second = await start(t, { directory })
  assert.deepEqual(await query(second, 'select answer from kept'), [{ answer: 42 }])
  assert.equal(second.superuserUrl, first.superuserUrl)
  const [row] = await query(second, "select split_part(version(), ' ', 2) as version, current_setting('listen_addresses') as listens")
  assert.deepEqual(row, { version: second.version, listens: '127.0.0.1' })
})

test('the superuser has a password that only the owner of the directory can read, and nobody enters without it', async (t) => {
  const directory = await scratch(t)
  const server = await start(t, { directory })
  for (const file of ['superuser-password', 'server.json']) assert.equal((await stat(join(directory, file))).mode & 0o777, 0o600, file)
  const wrong = new URL(server.superuserUrl)
  wrong.password = 'guess'
  await assert.rejects(query({ superuserUrl: wrong.href }, 'select 1'), /password authentication failed/)
})

test('a server whose process was killed with -9 is stopped and its data are taken over', async (t) => {
  const directory = await scratch(t)
  const former = await startProcess(t, directory)
  await query(former, 'create table kept as select 42 as answer')
  former.process.kill('SIGKILL')
  await once(former.process, 'exit')
  assert.deepEqual(await query(former, 'select answer from kept'), [{ answer: 42 }], 'the orphan is still there: the test is honest')

  const server = await start(t, { directory })
  assert.deepEqual(await query(server, 'select answer from kept'), [{ answer: 42 }])
  assert.equal(server.port, former.port)
})

test('a server that was itself killed with -9 recovers', async (t) => {
  const directory = await scratch(t)
  const former = await startProcess(t, directory)
  await query(former, 'create table kept as select 42 as answer')
  former.process.kill('SIGKILL')
  process.kill(Number((await readFile(join(former.dataDirectory, 'postmaster.pid'), 'utf8')).split('\n')[0]), 'SIGKILL')

  const server = await start(t, { directory })
  assert.deepEqual(await query(server, 'select answer from kept'), [{ answer: 42 }])
})

test('a lock file that names a process which is not the server does not stop it from starting', async (t) => {
  const directory = await scratch(t)
  const first = await start(t, { directory })
  const lock = await readFile(join(first.dataDirectory, 'postmaster.pid'), 'utf8')
  await first.stop()
  await writeFile(join(first.dataDirectory, 'postmaster.pid'), lock.replace(/^\d+/, String(process.pid)))
  const second = await start(t, { directory })
  assert.equal(second.port, first.port)
})

test('a server whose process is just ending is waited for', async (t) => {
  const directory = await scratch(t)
  const former = await startProcess(t, directory)
  former.process.stdin?.end()
  const server = await start(t, { directory })
  assert.equal(server.port, former.port)
})

test('a server that a living process runs is refused, and left alone', async (t) => {
  const directory = await scratch(t)
  const former = await startProcess(t, directory)
  await assert.rejects(start(t, { directory }), (error: Error) => {
    assert.ok(error instanceof ConfigurationError)
    assert.match(error.message, new RegExp(`another process \\(${former.process.pid}\\), on port ${former.port}`))
    return true
  })
  assert.deepEqual(await query(former, 'select 1 as alive'), [{ alive: 1 }])
})

test('the server ends with a process that ends by itself', async (t) => {
  const directory = await scratch(t)
  const former = await startProcess(t, directory, 'exit')
  if (former.process.exitCode === null) await once(former.process, 'exit')
  const server = await start(t, { directory })
  assert.match(await readFile(join(directory, 'postgres.log'), 'utf8'), /database system was shut down at|ready to accept/)
  assert.equal(server.port, former.port)
})

test('a port that somebody has taken meanwhile is replaced by a free one; a fixed one is an error', async (t) => {
  const directory = await scratch(t)
  const first = await start(t, { directory })
  await first.stop()
  const squatter = createServer().listen(first.port, '127.0.0.1')
  atEnd(t).defer(() => void squatter.close())
  await once(squatter, 'listening')
  await assert.rejects(start(t, { directory, port: first.port }), (error: Error) => {
    assert.ok(error instanceof DatabaseUnavailableError)
    assert.match(error.message, /Address already in use/)
    return true
  })
  const second = await start(t, { directory })
  assert.notEqual(second.port, first.port)
  assert.deepEqual(await query(second, 'select 1 as alive'), [{ alive: 1 }])
})

test('data of another major version are refused with what to do', async (t) => {
  const directory = await scratch(t)
  const server = await start(t, { directory })
  await server.stop()
  await writeFile(join(server.dataDirectory, 'PG_VERSION'), '12\n')
  await assert.rejects(start(t, { directory }), (error: Error) => {
    assert.ok(error instanceof ConfigurationError)
    assert.match(error.message, /were written by PostgreSQL 12, but the server is \d+.*dump.*delete the directory/)
    return true
  })
})

test('what a start that was killed left behind is no cluster, and the next start makes a whole one', async (t) => {
  const directory = await scratch(t)
  const abandoned = join(directory, 'postgres.draft-999999999')
  await mkdir(join(abandoned, 'cluster'), { recursive: true })
  await start(t, { directory })
  await assert.rejects(stat(abandoned), { code: 'ENOENT' })
})

test('missing binaries, wrong settings and a damaged memory are named', async (t) => {
  const directory = await scratch(t)
  await assert.rejects(startEmbeddedServer({ directory, binDirectory: '/nowhere/bin' }), (error: Error) => {
    assert.ok(error instanceof ConfigurationError)
    assert.match(error.message, /\/nowhere\/bin\/postgres does not run/)
    return true
  })
  await assert.rejects(start(t, { directory, settings: { no_such_setting: 1 } }), /did not start[\s\S]*no_such_setting/)
  await writeFile(join(directory, 'server.json'), '{')
  await assert.rejects(start(t, { directory }), /server\.json is damaged/)
})

test('root may use a directory that the server’s user cannot reach; deleting it starts afresh', {
  skip: isRoot ? false : 'needs root',
}, async (t) => {
  const closed = await scratch(t)
  await chmod(closed, 0o700)
  const directory = join(closed, 'project', '.partywall')
  const first = await start(t, { directory })
  atEnd(t).defer(() => rm(dirname(first.dataDirectory), { recursive: true, force: true }))
  assert.ok(!first.dataDirectory.startsWith(closed))
  await query(first, 'create table kept as select 42 as answer')
  await first.stop()
  const second = await start(t, { directory })
  assert.deepEqual(await query(second, 'select answer from kept'), [{ answer: 42 }])
  await second.stop()
  await rm(directory, { recursive: true })
  const third = await start(t, { directory })
  assert.deepEqual(await query(third, "select to_regclass('public.kept')::text as kept"), [{ kept: null }])
})

const stacks = new WeakMap<TestContext, AsyncDisposableStack>()

/** What is undone at the end of the test, last first: a server stops before its directory goes. */
function atEnd(t: TestContext): AsyncDisposableStack {
  const known = stacks.get(t)
  if (known !== undefined) return known
  const stack = new AsyncDisposableStack()
  stacks.set(t, stack)
  t.after(() => stack.disposeAsync())
  return stack
}

async function scratch(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'partywall-embedded-'))
  // The server's user must be able to pass when we are root; the test that wants it closed closes it.
  await chmod(directory, 0o755)
  atEnd(t).defer(() => rm(directory, { recursive: true, force: true }))
  return directory
}

async function start(t: TestContext, options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const server = await startEmbeddedServer({ binDirectory, settings: { fsync: 'off' }, ...options })
  atEnd(t).defer(() => server.stop())
  return server
}

async function query(server: { readonly superuserUrl: string }, text: string): Promise<readonly object[]> {
  const pool = new ControlPool({ connectionString: server.superuserUrl, applicationName: 'test', connectionsMax: 1 })
  try {
    return await pool.query(text)
  } finally {
    await pool.close()
  }
}

interface ServerProcess {
  readonly process: ChildProcess
  readonly superuserUrl: string
  readonly port: number
  readonly dataDirectory: string
}

async function startProcess(t: TestContext, directory: string, then = 'wait'): Promise<ServerProcess> {
  const script = fileURLToPath(new URL('../support/embedded-process.ts', import.meta.url))
  const child = spawn(process.execPath, [script, directory, then, ...(binDirectory ? [binDirectory] : [])], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  // At the end of its input it ends by itself, and its server with it.
  atEnd(t).defer(async () => {
    child.stdin.end()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  const [line] = await once(createInterface(child.stdout), 'line')
  return { process: child, ...(JSON.parse(line) as Omit<ServerProcess, 'process'>) }
}
