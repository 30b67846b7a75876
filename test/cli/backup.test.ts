// Backups as an operator makes, checks, restores and prunes them.

import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type CliFleet, cliFleet } from '../support/cli-fleet.ts'

const scheduledConfig = `import { defineConfig } from 'partywall'
import { directoryStore } from 'partywall/backup'
import { fileSecrets } from 'partywall/secrets'
export ${'default'} defineConfig({
  migrations: '../migrations',
  secrets: fileSecrets({ directory: new URL('../secrets', import.meta.url).pathname }),
  backups: { store: directoryStore(new URL('../backups', import.meta.url).pathname), schedule: [{ every: '1d' }], retention: { last: 1 } },
})
`

interface Told {
  readonly id: string
  readonly tenantId: string
  readonly rows: number
  readonly state: string
}

describe('partywall backup', () => {
  let cli: CliFleet
  let first: Told

  before(async () => {
    cli = await cliFleet()
    await cli.runOver({ env: { ...cli.env, PARTYWALL_SERVER_URL: cli.catalog.urls.superuser } }, 'server', 'adopt-main')
    await cli.json('tenant', 'onboard', 'acme')
    await cli.json('tenant', 'onboard', 'globex')
  })

  after(async () => await cli?.strike())

  test('without a store says how to name one', async () => {
    const { code, err } = await cli.runOver({ env: { ...cli.env, PARTYWALL_BACKUPS_DIR: '' } }, 'backup', 'create', 'acme')
    assert.equal(code, 2)
    assert.match(err, /backups in partywall\.config\.ts/)
  })

  test('makes one and lists it, with its size and what is known of it', async () => {
    first = await cli.json<Told>('backup', 'create', 'acme')
    assert.deepEqual([first.rows, first.state], [1, 'not verified'])
    const { out } = await cli.run('backup', 'list', 'acme')
    assert.equal(out.length, 2)
    assert.match(out[1]!, new RegExp(`${first.id}.*manual.*not verified`))
    assert.equal((await cli.rows('backup', 'list')).length, 1)
  })

  test('shows how far it is, table by table', async () => {
    const { out, err, code } = await cli.run('backup', 'create', 'globex')
    assert.equal(code, 0)
    assert.match(err, /backup globex.*1 of 1|1\/1/)
    assert.match(out.join('\n'), /rows +1/)
  })

  test('says whether it is good', async () => {
    const quick = await cli.run('backup', 'verify', 'acme/latest', '--quick')
    assert.deepEqual([quick.code, quick.out], [0, [`${first.id} is good: 1 tables, 1 rows opened.`]])
    assert.match((await cli.run('backup', 'list', 'acme')).out[1]!, /good \(quick\)/)
    assert.deepEqual(await cli.json('backup', 'verify', first.id), {
      id: first.id,
      isGood: true,
      isQuick: false,
      tables: 1,
      rows: 1,
      problems: [],
    })
  })

  test('restores it as a tenant of its own; a dry run does not', async () => {
    const plan = await cli.run('restore', 'acme/latest', '--as', 'acme-again', '--dry-run')
    assert.match(plan.out.join('\n'), /fill +Loads the rows of the backup/)
    const tenant = await cli.json<{ slug: string; id: string }>('restore', 'acme/latest', '--as', 'acme-again', '--isolation', 'database')
    assert.equal(tenant.slug, 'acme-again')
    const { tables } = await cli.fleet.placements
      .for('database')
      .describe((await cli.fleet.catalog.find({ kind: 'slug', slug: 'acme-again' as never }))!)
    assert.deepEqual(
      tables.map(({ rows }) => rows),
      [1],
    )
  })

  test('compares, brings some of it back, and all of it, and says the way back', async () => {
    assert.deepEqual((await cli.run('backup', 'diff', 'acme', 'acme-again')).code, 0)
    const notes = async (slug: string) => await cli.fleet.backups.diff(slug, `acme/${first.id}`)
    const [{ onlyLeft: mine }] = (await notes('globex')) as [Awaited<ReturnType<typeof notes>>[0]]
    const [key] = mine.keys[0]!
    const { code, out } = await cli.run('backup', 'diff', 'globex', `acme/${first.id}`)
    assert.equal(code, 1)
    assert.match(out[1]!, new RegExp(`notes +1 / 1 +1: ${key} +1: `))
    const dry = await cli.run('backup', 'merge', 'acme', 'globex', '--key', `notes=${key}`, '--dry-run')
    assert.match(dry.out.join('\n'), /WOULD COME BACK[\s\S]*notes +1 +0/)
    assert.equal((await cli.run('backup', 'diff', 'acme', 'acme-again')).code, 0)
    assert.deepEqual(await cli.rows('backup', 'merge', 'acme', 'globex', '--key', `notes=${key}`), [
      { table: 'notes', inserted: 1, updated: 0, deleted: 0 },
    ])
    assert.equal((await cli.run('backup', 'diff', 'acme', 'acme-again')).code, 1)
    const unasked = await cli.run('backup', 'swap', 'acme', 'acme-again', '--reason', 'A merge that was wrong.')
    assert.match(unasked.err, /nobody to ask here: say --yes/)
    const swapped = await cli.run('backup', 'swap', 'acme', 'acme-again', '--reason', 'A merge that was wrong.', '--yes')
    assert.equal(swapped.code, 0)
    assert.equal((await cli.run('backup', 'diff', 'acme', 'acme-again')).code, 0)
    const safety = /partywall backup swap acme (\S+) --reason/.exec(swapped.err)![1]!
    assert.equal((await cli.run('backup', 'swap', 'acme', safety, '--reason', 'It was right.', '--yes')).code, 0)
    assert.equal((await cli.run('backup', 'diff', 'acme', 'acme-again')).code, 1)
    assert.equal((await cli.run('backup', 'merge', 'acme', 'globex', '--key', 'notes')).code, 2)
  })

  test('one that was tampered with is not good, ends with 1, and is not restored', async () => {
    const file = join(cli.directory, 'backups', first.tenantId, first.id, '0001.rows')
    const content = await readFile(file)
    await writeFile(
      file,
      content.map((byte, at) => (at === 40 ? byte ^ 1 : byte)),
    )
    const { code, out } = await cli.run('backup', 'verify', first.id)
    assert.equal(code, 1)
    assert.match(out.join('\n'), /is not good[\s\S]*notes: /)
    const refused = await cli.run('restore', `acme/${first.id}`, '--as', 'acme-broken')
    assert.equal(refused.code, 1)
    assert.match(refused.err, /PW_BACKUP_INVALID|not what was written/)
    await writeFile(file, content)
    assert.equal((await cli.run('backup', 'verify', first.id, '--quick')).code, 0)
  })

  test('makes those that are due and prunes behind them, by the configuration', async () => {
    const cwd = join(cli.directory, 'scheduled')
    await mkdir(cwd)
    await writeFile(join(cwd, 'partywall.config.ts'), scheduledConfig)
    const rows = async <T>(...argv: readonly string[]): Promise<readonly T[]> => {
      const { code, out, err } = await cli.runOver({ cwd }, ...argv, '--json')
      assert.equal(code, 0, err)
      return out.map((line) => JSON.parse(line))
    }
    // Two have one of today; the restored one has none yet.
    assert.deepEqual(
      (await rows<{ slug: string }>('backup', 'run-due', '--dry-run')).map(({ slug }) => slug),
      ['acme-again'],
    )
    const { code, out } = await cli.runOver({ cwd }, 'backup', 'run-due')
    assert.equal(code, 0)
    assert.match(out.join('\n'), /acme-again/)
    assert.deepEqual(await rows('backup', 'run-due'), [])
    const second = await cli.json<Told>('backup', 'create', 'acme')
    const outcome = (found: readonly { readonly id: string; readonly outcome: string }[]) =>
      found.filter(({ id }) => [first.id, second.id].includes(id)).map(({ id, outcome: what }) => [id, what])
    const dry = await rows<{ id: string; outcome: string }>('backup', 'prune', 'acme', '--dry-run')
    assert.deepEqual(outcome(dry), [
      [second.id, 'kept'],
      [first.id, 'would be deleted'],
    ])
    await cli.runOver({ cwd }, 'backup', 'prune', 'acme')
    const left = (await rows<Told & { readonly kind: string }>('backup', 'list', 'acme')).filter(({ kind }) => kind !== 'safety')
    assert.deepEqual(
      left.map(({ id }) => id),
      [second.id],
    )
    const without = await cli.run('backup', 'prune', 'acme')
    assert.match(without.err, /What is kept\?/)
  })

  test('deletes one when told so, and asks first', async () => {
    const { id, tenantId } = await cli.json<Told>('backup', 'create', 'globex')
    const unasked = await cli.run('backup', 'delete', id)
    assert.equal(unasked.code, 2)
    assert.match(unasked.err, /nobody to ask here: say --yes/)
    assert.equal((await cli.run('backup', 'delete', id, '--yes')).code, 0)
    assert.ok(!(await readdir(join(cli.directory, 'backups', tenantId))).includes(id))
    assert.match((await cli.run('backup', 'delete', id, '--yes')).err, /There is no backup/)
  })

  test('a restore needs either a backup or a server', async () => {
    const { code, err } = await cli.run('restore', '--as', 'x')
    assert.equal(code, 2)
    assert.match(err, /either a backup or --from-server/)
    assert.match((await cli.run('restore', '--as', 'x', '--from-server', 'main')).err, /needs --tenant/)
  })
})
