// partywall migrate, as it is typed.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { exitCodes } from '../../src/cli/exit-codes.ts'
import { tableSql } from '../support/migrations.ts'
import { rolloutStage } from '../support/rollout.ts'
import { runOn } from '../support/terminal.ts'

async function project(t: TestContext) {
  const stage = await rolloutStage(t)
  const cwd = await mkdtemp(join(tmpdir(), 'partywall-migrate-'))
  t.after(() => rm(cwd, { recursive: true, force: true }))
  const config = { migrations: fileURLToPath(stage.directory), rollout: { rings: [{ name: 'canaries', tags: { canary: true } }] } }
  // An absolute path cannot be joined to the folder's: the files are a folder of the project.
  const relative = config.migrations.replace(`${tmpdir()}/`, '../')
  await writeFile(join(cwd, 'partywall.config.mjs'), `export ${'default'} ${JSON.stringify({ ...config, migrations: relative })}`)
  const { gatekeeper, migrator } = stage.catalog.urls
  const env = { PARTYWALL_CATALOG_URL: gatekeeper, PARTYWALL_ADMIN_URL: migrator }
  return { stage, env, cwd, run: (...words: readonly string[]) => runOn({ cwd, env }, ['migrate', ...words]) }
}

test('plan, up, status and drift, for people and for machines, with the codes that scripts rely on', async (t) => {
  const { stage, run } = await project(t)
  const [broken] = await stage.tenants(3, { prefix: 'canary', settings: { canary: true } })
  await stage.tenants(4)
  await stage.write('0001-first.sql', tableSql('a'))
  const planned = await run('plan')
  assert.deepEqual([planned.code, planned.err], [exitCodes.done, ''])
  assert.match(planned.out.join('\n'), /To 0001: 8 places\.\nRING +SCHEMAS +DATABASES +OLDEST\ncanaries +3 +0 +none\nrest +4 +1 +none/)
  const up = await run('up')
  assert.deepEqual([up.code, up.out], [exitCodes.done, ['To 0001: 8 done.']])
  assert.match(up.err, /migrate to 0001: 8 to do\nmigrate to 0001: 8 of 8 done, in/)
  assert.deepEqual((await run('up')).out, ['Nothing to do: every place is at 0001.'])

  await stage.schemas.superuser.query(`alter table ${broken!.schema}.a add column n text`)
  const drift = await run('drift')
  assert.equal(drift.code, exitCodes.failed)
  assert.match(drift.out.join('\n'), /^canary-0001 .*\n {2}column a\.n: unexpected\n8 places, 1 of them not/)
  await stage.write('0002-second.sql', 'alter table a add column n integer')
  const partly = await run('up', '--json')
  assert.equal(partly.code, exitCodes.partly)
  const events = partly.out.map((line) => JSON.parse(line) as { readonly kind?: string; readonly state?: string; readonly failed?: number })
  assert.equal(events.filter(({ kind, state }) => kind === 'step' && state === 'failed').length, 1)
  assert.partialDeepStrictEqual(events.at(-1), { state: 'done', failed: 1, done: 7 })
  assert.match(
    (await run('status')).out.join('\n'),
    /^1 places are behind 0002\.[\s\S]*The last run, to 0002, is done\.[\s\S]*canaries +2 +1 +0 +0/,
  )
  const failed = await run('status', '--only', 'failed', '--json')
  assert.partialDeepStrictEqual(JSON.parse(failed.out[0]!), { slug: 'canary-0001', version: '0001', state: 'failed', ring: 'canaries' })
  await stage.write('0003-third.sql', 'alter table a add column m integer')
  const halted = await run('up', '--failures-max', '0')
  assert.equal(halted.code, exitCodes.halted)
  assert.match(halted.out.join('\n'), /halted: 1 failed, and 0 may/)
  assert.equal((await run('up')).code, exitCodes.failed)
  assert.equal((await run('abort', '--reason', 'The test says so.')).code, exitCodes.done)
  assert.equal((await run('pause', '--reason', 'The test says so.')).code, exitCodes.failed)
})

test('lint needs no database, and ends with 1 when it finds an error', async (t) => {
  const { stage, cwd } = await project(t)
  await stage.write('0001-first.sql', tableSql('a'))
  assert.equal((await runOn({ cwd }, ['migrate', 'lint'])).code, exitCodes.done)
  await stage.write('0002-index.sql', 'create index a_id_idx on a (tenant_id, id)')
  const found = await runOn({ cwd }, ['migrate', 'lint'])
  assert.equal(found.code, exitCodes.failed)
  assert.match(found.out.join('\n'), /0002-index\.sql:1: error: blocking-index: .*\n.*concurrently[\s\S]*2 files: 1 errors, 0 warnings\./)
  assert.equal((await runOn({ cwd }, ['migrate', 'lint', '--after', '0002'])).code, exitCodes.done)
})

test('a ring or a budget that cannot be is refused by its name, before anything is opened', async (t) => {
  const { cwd, env } = await project(t)
  for (const [rollout, says] of [
    [{ rings: [{ name: 'rest', percent: 5 }] }, /"rest" is there twice, or has the name of the last one/],
    [{ rings: [{ name: 'one' }] }, /selects nobody/],
    [{ rings: [{ name: 'one', planes: ['free'] }] }, /unknown planes/],
    [{ rings: [{ name: 'one', isolations: ['island'] }] }, /no isolation "island"/],
    [{ budget: { failuresMax: -1 } }, /An error budget is/],
    [{ concurrency: 0 }, /concurrency must be a whole number, 1 to 32/],
    [{ ringz: [] }, /there is no "ringz"/],
  ] as const) {
    const folder = await mkdtemp(join(cwd, 'config-'))
    await writeFile(join(folder, 'partywall.config.mjs'), `export ${'default'} ${JSON.stringify({ rollout })}`)
    const ran = await runOn({ cwd: folder, env }, ['migrate', 'plan'])
    assert.deepEqual([ran.code, ran.out], [exitCodes.usage, []])
    assert.match(ran.err, says)
  }
})
