// Which configuration is found, and which is refused.

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { findConfig } from '../../src/cli/config-file.ts'
import { defineConfig } from '../../src/config.ts'
import { ConfigurationError } from '../../src/errors.ts'

async function folder(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'partywall-config-test-')))
  t.after(() => rm(directory, { recursive: true, force: true }))
  await writeFile(join(directory, 'package.json'), '{ "type": "module" }')
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
  return directory
}

const exported = `${'export default'} `

test('the nearest configuration is loaded from below, as TypeScript, with the library that runs', async (t) => {
  const text = `import { defineConfig, type PartywallConfig } from 'partywall'
const plans: PartywallConfig['plans'] = { team: { weight: 2, placement: 'schema', features: { sso: true } } }
${exported}defineConfig({ migrations: 'sql', plans })`
  const directory = await folder(t, { 'partywall.config.ts': text })
  await mkdir(join(directory, 'src', 'deep'), { recursive: true })
  assert.deepEqual(await findConfig(join(directory, 'src', 'deep')), {
    config: defineConfig({ migrations: 'sql', plans: { team: { weight: 2, placement: 'schema', features: { sso: true } } } }),
    file: join(directory, 'partywall.config.ts'),
    directory,
  })
  await writeFile(join(directory, 'src', 'partywall.config.mjs'), `${exported}{ migrations: 'nearer' }`)
  assert.equal((await findConfig(join(directory, 'src', 'deep')))?.config.migrations, 'nearer')
  assert.equal((await findConfig(directory))?.config.migrations, 'sql')
  assert.equal(await findConfig('/'), undefined)
})

test('what nobody knows is refused by its name, and so is a value of the wrong kind', async (t) => {
  for (const [text, says] of [
    ['{ migration: "sql" }', /partywall\.config\.js: there is no "migration"\. It may have migrations, rollout, plans/],
    ['{ plans: { team: { wieght: 2 } } }', /plans\.team: there is no "wieght"/],
    ['{ plans: { team: { weight: 0 } } }', /plans\.team\.weight is 0/],
    ['{ plans: { team: { placement: "shared" } } }', /plans\.team\.placement is "shared"; it may be pooled, schema/],
    ['{ plans: { team: { features: [] } } }', /features must be an object/],
    ['{ plans: [] }', /plans must be an object/],
    ['{ migrations: 7 }', /migrations must be a text/],
    ['{ constructor: 1 }', /there is no "constructor"/],
    ['42', /must be an object/],
    ['undefined', /exports nothing by default/],
    ['(() => { throw new TypeError("nope") })()', /cannot be loaded: nope/],
    ['{', /cannot be loaded/],
  ] as const) {
    const directory = await folder(t, { 'partywall.config.js': `${exported}${text}` })
    await assert.rejects(findConfig(directory), (error: Error) => {
      assert.ok(error instanceof ConfigurationError, text)
      assert.match(error.message, says)
      return true
    })
  }
})

test('two configurations in one folder are refused: which of them holds cannot be told', async (t) => {
  const directory = await folder(t, { 'partywall.config.js': `${exported}{}`, 'partywall.config.ts': `${exported}{}` })
  await assert.rejects(findConfig(directory), /partywall\.config\.ts and partywall\.config\.js/)
})
