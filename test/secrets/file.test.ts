import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { SecretStore } from '../../src/core/secret-store.ts'
import { ConfigurationError, SecretStoreError } from '../../src/errors.ts'
import { fileSecrets } from '../../src/secrets/file.ts'
import { secretFailureConformance, secretReadingConformance, secretWritingConformance } from '../core/secret-store-conformance.ts'

interface Place {
  readonly directory: string
  readonly store: SecretStore
}

async function place(t: TestContext): Promise<Place> {
  const parent = await mkdtemp(join(tmpdir(), 'partywall-secrets-'))
  t.after(() => rm(parent, { recursive: true, force: true }))
  const directory = join(parent, 'secrets')
  return { directory, store: fileSecrets({ directory }) }
}

/** A store in which `a` is `S3cret`, and something was done to it since. */
async function spoiled(t: TestContext, spoil: (directory: string) => Promise<void>): Promise<SecretStore> {
  const { directory, store } = await place(t)
  await store.put('a', 'S3cret')
  await spoil(directory)
  return store
}

secretReadingConformance('file secrets', async (t, secrets) => {
  const { directory, store } = await place(t)
  for (const [name, value] of Object.entries(secrets)) {
    const file = join(directory, `${name}.secret`)
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await writeFile(file, value, { mode: 0o600 })
  }
  return store
})
secretWritingConformance('file secrets', async (t) => (await place(t)).store)

const spoilers: readonly [string, RegExp, (directory: string) => Promise<void>][] = [
  ['a directory that others can enter', /can be read by others \(mode 701\)/, (directory) => chmod(directory, 0o701)],
  [
    'a directory that is a symbolic link',
    /is not a directory/,
    async (directory) => {
      await mkdir(`${directory}-real`, { mode: 0o700 })
      await rm(directory, { recursive: true })
      await symlink(`${directory}-real`, directory)
    },
  ],
  [
    'a directory that is a file',
    /is not a directory/,
    async (directory) => {
      await rm(directory, { recursive: true })
      await writeFile(directory, '', { mode: 0o600 })
    },
  ],
]
for (const [what, says, spoil] of spoilers) {
  secretFailureConformance('file secrets', what, async (t) => ({ store: await spoiled(t, spoil), retryable: false, says }))
}

const fileSpoilers: readonly [string, RegExp, (file: string) => Promise<void>][] = [
  ['a file that others can read', /can be read by others \(mode 640\)/, (file) => chmod(file, 0o640)],
  [
    'a symbolic link to a file',
    /is a symbolic link/,
    async (file) => {
      await writeFile(`${file}.real`, 'S3cret', { mode: 0o600 })
      await rm(file)
      await symlink(`${file}.real`, file)
    },
  ],
  [
    'a pipe',
    /is not a plain file/,
    async (file) => {
      await rm(file)
      assert.equal(spawnSync('mkfifo', ['-m', '600', file]).status, 0)
    },
  ],
]
for (const [what, says, spoil] of fileSpoilers) {
  secretFailureConformance('file secrets', what, async (t) => ({
    store: await spoiled(t, (directory) => spoil(join(directory, 'a.secret'))),
    retryable: false,
    says,
    only: what === 'a pipe' ? ['get', 'put'] : ['get', 'put', 'list'],
  }))
}

for (const [what, bytes] of [
  ['nothing', Buffer.alloc(0)],
  ['more than any secret', Buffer.alloc(60_000, 'S3cret')],
  ['no UTF-8', Buffer.from('S3cret\xff', 'latin1')],
] as const) {
  secretFailureConformance('file secrets', `a file with ${what} in it`, async (t) => ({
    store: await spoiled(t, (directory) => writeFile(join(directory, 'a.secret'), bytes)),
    retryable: false,
    says: /holds what no secret can be/,
    only: ['get'],
  }))
}

test('what belongs to another user is refused', async (t) => {
  const { store } = await place(t)
  await store.put('a', 'x')
  const own = process as { geteuid(): number }
  const me = own.geteuid()
  t.mock.method(own, 'geteuid', () => me + 1)
  await assert.rejects(store.get('a'), (error) => error instanceof SecretStoreError && /belongs to another user/.test(error.message))
})

test('files have mode 0600 and directories 0700, whatever the umask, and a replaced file too', async (t) => {
  const { directory, store } = await place(t)
  const umask = process.umask(0)
  t.after(() => process.umask(umask))
  await store.put('server/eu-1/app', 'one')
  await store.put('server/eu-1/app', 'two')
  for (const each of ['', 'server', 'server/eu-1']) assert.equal((await stat(join(directory, each))).mode & 0o777, 0o700)
  const file = join(directory, 'server/eu-1/app.secret')
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.equal(await readFile(file, 'utf8'), 'two')
})

test('a link in the middle of a name does not lead out of the directory', async (t) => {
  const { directory, store } = await place(t)
  await store.put('server/eu-1/app', 'mine')
  await mkdir(`${directory}-outside`, { mode: 0o700 })
  await writeFile(`${directory}-outside/app.secret`, 'theirs', { mode: 0o600 })
  await rm(join(directory, 'server/eu-1'), { recursive: true })
  await symlink(`${directory}-outside`, join(directory, 'server/eu-1'))
  for (const call of [
    () => store.get('server/eu-1/app'),
    () => store.put('server/eu-1/app', 'x'),
    () => store.delete('server/eu-1/app'),
    () => store.list(''),
  ]) {
    await assert.rejects(call, SecretStoreError)
  }
  assert.equal(await readFile(`${directory}-outside/app.secret`, 'utf8'), 'theirs')
})

test('deleting leaves nothing behind: no draft of a killed process, no directory with the tenant’s id', async (t) => {
  const { directory, store } = await place(t)
  await store.put('tenant/t1/login', 'x')
  await store.put('tenant/t2/login', 'x')
  await writeFile(join(directory, 'tenant/t1/login.secret.0123456789abcdef'), 'half', { mode: 0o600 })
  assert.deepEqual(await store.list('tenant/t1'), ['tenant/t1/login'])
  await store.delete('tenant/t1/login')
  assert.deepEqual(await readdir(join(directory, 'tenant')), ['t2'])
  await store.delete('tenant/t2/login')
  assert.deepEqual(await readdir(directory), [])
})

test('whoever is reading when a secret is replaced reads the old one whole', async (t) => {
  const { directory, store } = await place(t)
  await store.put('a', 'old')
  const reader = await open(join(directory, 'a.secret'))
  t.after(() => reader.close())
  await store.put('a', 'new and longer')
  assert.equal(await reader.readFile('utf8'), 'old')
  assert.deepEqual(await readdir(directory), ['a.secret'])
})

test('what is no file, where a secret should be, is left as it is and refused', async (t) => {
  const { directory, store } = await place(t)
  await store.put('a', 'old')
  // A directory is where the file should be.
  await mkdir(join(directory, 'b.secret'), { mode: 0o700 })
  await assert.rejects(store.put('b', 'x'), SecretStoreError)
  assert.deepEqual((await readdir(directory)).sort(), ['a.secret', 'b.secret'])
  assert.equal(await store.get('a'), 'old')
})

test('a list looks at what it lists, and at nothing beside it', async (t) => {
  const { directory, store } = await place(t)
  for (const name of ['server/eu-1/app', 'server/eu-10/app', 'tenant/t1/login']) await store.put(name, 'x')
  await chmod(join(directory, 'tenant/t1/login.secret'), 0o644)
  await chmod(join(directory, 'server/eu-10'), 0o755)
  assert.deepEqual(await store.list('server/eu-1/'), ['server/eu-1/app'])
  for (const prefix of ['server/eu-1', 'server/', 'tenant/t', '']) await assert.rejects(store.list(prefix), /can be read by others/, prefix)
})

test('no directory is not the working directory', () => {
  assert.throws(() => fileSecrets({ directory: '' }), ConfigurationError)
})

test('what is no secret of ours in the directory is not listed', async (t) => {
  const { directory, store } = await place(t)
  await store.put('a', 'x')
  await writeFile(join(directory, 'README'), 'read me')
  await writeFile(join(directory, 'Not A Name.secret'), 'x', { mode: 0o600 })
  assert.deepEqual(await store.list(''), ['a'])
})
