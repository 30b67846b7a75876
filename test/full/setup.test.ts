import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

test('a fresh clone installs itself, whatever the environment tells npm to leave out', async (t) => {
  const clone = await freshClone(t)
  const env = { NODE_ENV: 'production', npm_config_omit: 'dev', npm_config_ignore_scripts: 'true', npm_config_engine_strict: 'true' }
  const first = setUp(clone, env)
  assert.equal(first.status, 0, first.stderr)
  assert.equal(first.stdout, '', 'stdout belongs to the command that follows')
  const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const { stdout } = spawnSync(join(clone, 'node_modules', '.bin', 'node'), ['--version'], { encoding: 'utf8' })
  assert.match(stdout, new RegExp(`^v${devDependencies.node.match(/\d+/)[0]}\\.`))

  for (const file of ['package.json', 'package-lock.json']) {
    assert.equal(await readFile(join(clone, file), 'utf8'), await readFile(join(root, file), 'utf8'), `${file} is not written`)
  }

  const second = setUp(clone, env)
  assert.deepEqual({ status: second.status, said: second.stderr }, { status: 0, said: '' }, 'the second run has nothing to do')

  // A pull that brings another version of something.
  const installed = join(clone, 'node_modules', '.package-lock.json')
  await writeFile(installed, (await readFile(installed, 'utf8')).replace(/("node_modules\/pg": \{\s+"version": )"[^"]+"/, '$1"8.0.0"'))
  const third = setUp(clone, env)
  assert.equal(third.status, 0)
  assert.match(third.stderr, /installing what is missing/)
})

async function freshClone(t: TestContext): Promise<string> {
  const clone = await mkdtemp(join(tmpdir(), 'partywall-clone-'))
  t.after(() => rm(clone, { recursive: true, force: true }))
  const left = new Set(['node_modules', 'dist', '.git', '.partywall', '.setup-lock'])
  await cp(root, clone, { recursive: true, filter: (source) => source === root || !left.has(basename(source)) })
  await chmod(clone, 0o755)
  return clone
}

function setUp(clone: string, env: NodeJS.ProcessEnv) {
  return spawnSync(process.execPath, ['scripts/setup.mjs'], { cwd: clone, encoding: 'utf8', env: { ...process.env, ...env } })
}
