// `partywall init` in a folder: what it makes runs, and what was there stays.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { findConfig } from '../../src/cli/config-file.ts'
import { loadApplication } from '../../src/cli/dev/application.ts'
import { startDevEnvironment } from '../../src/cli/dev/environment.ts'
import { migrateShared } from '../../src/postgres/migrations/migrate-shared.ts'
import { testDatabase } from '../support/database.ts'
import { recordedTerminal, runOn } from '../support/terminal.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

async function folder(t: TestContext, name = 'my-app'): Promise<string> {
  const above = await mkdtemp(join(tmpdir(), 'partywall-init-test-'))
  t.after(() => rm(above, { recursive: true, force: true }))
  await mkdir(join(above, name))
  return join(above, name)
}

async function project(t: TestContext): Promise<string> {
  const cwd = await folder(t)
  assert.equal((await runOn({ cwd }, ['init'])).code, 0)
  // What npm install would bring.
  await symlink(join(root, 'node_modules'), join(cwd, 'node_modules'))
  return cwd
}

test('a new project type-checks, is configured, and its migration puts a table behind the wall', async (t) => {
  const cwd = await project(t)
  // The package's declarations are its source here; scripts/check-package.mjs does the same with what is packed.
  const paths = {
    partywall: [join(root, 'src/index.ts')],
    'partywall/fastify': [join(root, 'src/middleware/fastify.ts')],
    'partywall/identity': [join(root, 'src/identity/index.ts')],
  }
  const tsconfig = { extends: './tsconfig.json', compilerOptions: { paths }, include: ['partywall.config.ts', 'src'] }
  await writeFile(join(cwd, 'tsconfig.check.json'), JSON.stringify(tsconfig))
  const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.check.json'], { cwd, encoding: 'utf8' })
  assert.deepEqual([tsc.status, tsc.stdout], [0, ''])
  assert.deepEqual(Object.keys((await findConfig(cwd))?.config.plans ?? {}), ['free', 'team', 'enterprise'])

  const database = await testDatabase(t)
  const directory = pathToFileURL(join(cwd, 'migrations/'))
  assert.deepEqual(
    (await migrateShared({ admin: database.urls.migrator, directory })).map(({ file }) => file),
    ['0001-first.sql'],
  )
  const [found] = await database.superuser.query<{ schema: string; forced: boolean }>(
    `select c.relnamespace::regnamespace::text as schema, c.relforcerowsecurity as forced from pg_catalog.pg_class c where c.relname = 'notes'`,
  )
  assert.deepEqual(found, { schema: 'app', forced: true })
})

test('a new project serves its tenants, after the self-check has failed to cross its wall', async (t) => {
  const cwd = await project(t)
  const application = await loadApplication(join(cwd, 'src/application.ts'))
  const settings = { fsync: 'off', full_page_writes: 'off' }
  const environment = await startDevEnvironment({ application, directory: join(cwd, '.partywall'), settings })
  t.after(() => environment.close())
  const [acme, globex] = environment.description.tenants
  const notesOf = async (token = '') => {
    const answer = await fetch(`${environment.description.url}/api/notes`, { headers: { authorization: `Bearer ${token}` } })
    return ((await answer.json()) as { readonly notes: readonly { readonly text: string }[] }).notes.map(({ text }) => text)
  }
  const welcomes = async (token?: string) => (await notesOf(token)).filter((text) => text.startsWith('Welcome'))
  assert.deepEqual(await welcomes(acme?.token), ['Welcome, Acme Corporation'])
  assert.deepEqual(await welcomes(globex?.token), ['Welcome, Globex'])
})

test('what is there is never overwritten, and a folder with files needs a yes', async (t) => {
  const cwd = await folder(t, '9 Lives!')
  const mine = '{ "name": "mine" }'
  await writeFile(join(cwd, 'package.json'), mine)
  await writeFile(join(cwd, 'partywall.config.mjs'), 'mine')

  const unasked = await runOn({ cwd }, ['init'])
  assert.deepEqual([unasked.code, unasked.out], [2, []])
  assert.match(unasked.err, /--yes/)
  const dry = await runOn({ cwd }, ['init', '--dry-run'])
  assert.ok(dry.out.includes('would make  src/application.ts') && dry.out.includes('would keep  package.json'))
  assert.deepEqual((await readdir(cwd)).sort(), ['package.json', 'partywall.config.mjs'], 'nothing was made so far')

  const made = await runOn({ cwd }, ['init', '--yes', '--json'])
  const { name, kept } = JSON.parse(made.out[0]!)
  assert.deepEqual([made.code, name, kept], [0, 'lives', ['package.json', 'partywall.config.mjs']])
  assert.match(made.err, /package\.json is yours/)
  assert.equal(await readFile(join(cwd, 'package.json'), 'utf8'), mine)
  assert.ok(!(await readdir(cwd)).includes('partywall.config.ts'))

  const again = await runOn({ cwd }, ['init', '--yes', '--json'])
  assert.deepEqual(JSON.parse(again.out[0]!).made, [])
})

test('who sits at a terminal is asked, and Ctrl-C is an answer', async (t) => {
  for (const [keys, code, isMade] of [
    ['y', 0, true],
    ['n', 0, false],
    ['\u0003', 130, false],
  ] as const) {
    const cwd = await folder(t)
    await writeFile(join(cwd, 'README.md'), 'mine')
    const input = new PassThrough()
    const output = new PassThrough()
    // Once the question is on the screen, and the code that drew it is at rest, it is answered.
    output.on('data', (drawn: Buffer) => drawn.includes('Yes') && setImmediate(() => input.write(keys)))
    const ran = await runOn({ cwd, isTerminal: true, interactive: { input, output } }, ['init'])
    assert.deepEqual([ran.code, (await readdir(cwd)).includes('package.json')], [code, isMade], JSON.stringify(keys))
  }
})

test('passwords are for a database: without one nothing is made', async (t) => {
  const cwd = await folder(t)
  assert.equal((await runOn({ cwd }, ['init', '--rotate-passwords'])).code, 2)
  assert.equal((await runOn({ cwd }, ['init', 'not-a-url'])).code, 2)
  assert.deepEqual(await readdir(cwd), [])
  assert.equal(recordedTerminal().interactive, undefined)
})
