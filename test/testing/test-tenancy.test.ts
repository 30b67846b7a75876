// The throw-away tenancy: fast, real, of its own; one server for many processes, and nothing of it left.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ConfigurationError, MigrationError } from '../../src/errors.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { isAlive } from '../../src/postgres/embedded-postmaster.ts'
import { testTenancy } from '../../src/testing/test-tenancy.ts'
import { testServer } from '../support/server.ts'

const binDirectory = process.env['PARTYWALL_TEST_POSTGRES_BIN']
const migrations = new URL('../../examples/documents/migrations/', import.meta.url)

test('a throw-away tenancy has the application’s tables, a cast, and the truth', async () => {
  await using kit = await testTenancy({ migrations, binDirectory })
  const [alice, bob] = [await kit.tenant('alice'), await kit.tenant('bob')]
  assert.equal(await kit.tenant('alice'), alice)
  await alice.query('insert into documents (title) values ($1)', ['of alice'])
  await bob.transaction((tx) => tx.query('insert into documents (title) values ($1)', ['of bob']))
  assert.deepEqual((await bob.query('select title from documents')).rows, [{ title: 'of bob' }])
  assert.equal(await alice.run(() => kit.tenancy.current().tenant.slug), 'alice')
  assert.equal(await kit.truth.count('documents'), 2)
  assert.equal(await kit.truth.count('app.documents', alice.id), 1)
  assert.deepEqual(await kit.truth.query('select title from documents order by title'), [{ title: 'of alice' }, { title: 'of bob' }])
})

test('two of them have nothing in common, and are gone at their end', async () => {
  const names: string[] = []
  {
    await using one = await testTenancy({ migrations, binDirectory })
    await using other = await testTenancy({ migrations, binDirectory })
    await (await one.tenant('alice')).query(`insert into documents (title) values ('one')`)
    assert.equal(await other.truth.count('documents'), 0)
    names.push(...[one, other].map(({ urls }) => new URL(urls.superuser).pathname.slice(1)))
  }
  await using third = await testTenancy({ migrations, binDirectory })
  assert.deepEqual(await third.truth.query('select datname from pg_catalog.pg_database where datname = any ($1)', [names]), [])
})

test('migrations run once for each content, and a failing one says what is wrong', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'partywall-kit-migrations-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, '0001-things.sql')
  await writeFile(
    file,
    `create table things (tenant_id uuid not null, id uuid not null, primary key (tenant_id, id));\nselect partywall.protect('things');\n`,
  )
  const templates = async (): Promise<readonly string[]> => {
    await using kit = await testTenancy({ migrations: pathToFileURL(`${directory}/`), binDirectory })
    const rows = await kit.truth.query<{ name: string }>(
      'select datname as name from pg_catalog.pg_database where datistemplate order by 1',
    )
    return rows.map(({ name }) => name)
  }
  const first = await templates()
  assert.deepEqual(await templates(), first)
  await writeFile(join(directory, '0002-more.sql'), 'create table app.wrong (id uuid primary key);\n')
  await assert.rejects(
    testTenancy({ migrations: directory, binDirectory }),
    (error: Error) => error instanceof MigrationError || error.name === 'TableRefusedError',
  )
  await rm(join(directory, '0002-more.sql'))
  assert.deepEqual(await templates(), first)
})

test('a server that is given is used, and what a killed process left there is dropped', async () => {
  const { superuserUrl } = await testServer()
  // This one has partywall's roles already, with passwords of its own.
  await assert.rejects(testTenancy({ server: superuserUrl }), ConfigurationError)
  const server = new ControlPool({ connectionString: superuserUrl, applicationName: 'test' })
  await server.query('create database partywall_kit_0123456789ab_7 allow_connections false')
  await assert.rejects(testTenancy({ server: superuserUrl }), ConfigurationError)
  const left = await server.query(`select from pg_catalog.pg_database where datname ~ '^partywall_kit_'`)
  await server.close()
  assert.deepEqual(left, [])
})

test('processes side by side share one server, which outlives the first and ends with the last', async (t) => {
  const [one, other] = await Promise.all([kitProcess(t), kitProcess(t)])
  assert.equal(one.port, other.port)
  assert.notEqual(one.database, other.database)
  one.child.kill('SIGKILL')
  await one.ended
  assert.equal(await other.ask('count'), '1')
  assert.ok(isAlive(other.server))
  await other.ask('end')
  await other.ended
  while (isAlive(other.server)) await new Promise((resolve) => setImmediate(resolve))
})

interface KitProcess {
  readonly child: ChildProcess
  readonly ended: Promise<unknown>
  readonly port: string
  readonly database: string
  /** Of the server's own process. */
  readonly server: number
  ask(word: string): Promise<string>
}

async function kitProcess(t: TestContext): Promise<KitProcess> {
  const file = fileURLToPath(new URL('../support/kit-process.ts', import.meta.url))
  const child = spawn(process.execPath, [file], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const ended = new Promise((resolve) => child.once('close', resolve))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => String((await lines.next()).value)
  const { url, pid } = JSON.parse(await next()) as { readonly url: string; readonly pid: number }
  return {
    child,
    ended,
    port: new URL(url).port,
    database: new URL(url).pathname,
    server: pid,
    async ask(word) {
      child.stdin.write(`${word}\n`)
      return await next()
    },
  }
}
