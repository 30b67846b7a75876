// Servers, databases, stock and the keeper, from the command line.

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { runCli } from '../../src/cli/run.ts'
import { memorySecrets } from '../../src/core/memory-secret-store.ts'
import { openFleet } from '../../src/fleet.ts'
import type { KeptRound } from '../../src/operations/keeper.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../src/postgres/embedded.ts'
import { type CliFleet, cliFleet } from '../support/cli-fleet.ts'
import { recordedTerminal } from '../support/terminal.ts'

describe('the fleet on the command line', () => {
  let cli: CliFleet
  let second: EmbeddedServer
  let directory: string

  before(async () => {
    cli = await cliFleet()
    directory = await mkdtemp(join(tmpdir(), 'partywall-cli-second-'))
    second = await startEmbeddedServer({ directory, settings: { fsync: 'off' } })
  })

  after(async () => {
    await cli.strike()
    await second.stop()
    await rm(directory, { recursive: true, force: true })
  })

  test('a server is added with its URL out of sight, checked, corrected and removed by its name', async () => {
    const { superuserUrl, port } = second
    const add = ['server', 'add', 'shelf', '--region', 'default', '--dedicated', '--label', 'disk="nvme"'] as const
    const without = await cli.run(...add)
    assert.equal(without.code, 2)
    assert.match(without.err, /PARTYWALL_SERVER_URL/)
    const added = await cli.runOver({ env: { ...cli.env, PARTYWALL_SERVER_URL: superuserUrl } }, ...add, '--json')
    assert.equal(added.code, 0, added.err)
    const { labels, tenantsMax, state } = JSON.parse(added.out[0]!)
    assert.deepEqual([labels, tenantsMax, state], [{ dedicated: true, disk: 'nvme' }, 1, 'active'])
    assert.doesNotMatch(added.out.join('\n') + added.err, new RegExp(new URL(superuserUrl).password))

    assert.equal((await cli.run('server', 'check', 'shelf')).code, 0)
    assert.equal((await cli.run('server', 'check', 'nowhere')).code, 1)
    assert.match((await cli.run('server', 'list')).out.join('\n'), new RegExp(`shelf +default +active +0 +0 of 1 +127.0.0.1:${port}`))
    assert.equal((await cli.run('server', 'set', 'shelf')).code, 2)
    const set = await cli.json('server', 'set', 'shelf', '--region', 'eu', '--label', 'disk="tape"', '--tenants-max', '2')
    assert.deepEqual(set, { name: 'shelf', region: 'eu', state: 'active', labels: { disk: 'tape' }, tenantsMax: 2 })

    const replica = await cli.run('server', 'add-replica', 'shelf', 'shelf-read', '--host', '127.0.0.1', '--port', String(port))
    assert.equal(replica.code, 1)
    assert.match(replica.err, /is no replica of the server shelf: it takes writes/)
    assert.deepEqual(await cli.rows('server', 'replicas'), [])
    assert.equal((await cli.run('server', 'remove-replica', 'shelf', 'shelf-read', '--reason', 'gone')).code, 1)

    const remove = ['server', 'remove', 'shelf', '--reason', 'returned'] as const
    assert.equal((await cli.run(...remove)).code, 2, 'nobody can be asked')
    assert.equal((await cli.run(...remove, '--yes')).code, 0)
    assert.equal((await cli.run('server', 'check', 'shelf')).code, 1)
    assert.equal((await cli.run('server', 'remove', 'main', '--reason', 'a test', '--yes')).code, 1)
    const trail = await cli.catalog.superuser.query<{ action: string }>(
      `select action from partywall.audit_trail where action like 'server.%' order by position`,
    )
    assert.deepEqual(
      trail.map(({ action }) => action),
      ['server.add', 'server.set', 'server.remove'],
    )
  })

  test('the catalog’s own server is adopted by its administrator, and by no other', async () => {
    const adopt = (url: string) => cli.run('server', 'adopt-main', '--url', url)
    const other = await adopt(second.superuserUrl)
    assert.equal(other.code, 1)
    assert.match(other.err, /is not the server of the catalog/)
    assert.equal((await adopt(cli.catalog.urls.superuser)).code, 0)
  })

  test('a database for schemas is made once, listed, and refused under a name that is taken', async () => {
    const name = `${cli.catalog.name}_schemas`
    for (const again of [1, 2]) assert.equal((await cli.run('database', 'create', name)).code, 0, `time ${again}`)
    const listed = await cli.rows<{ name: string; holds: string }>('database', 'list')
    assert.deepEqual(
      listed.map((row) => [row.name, row.holds]),
      [
        ['main', 'pooled'],
        [name, 'schema'],
      ],
    )
    assert.equal((await cli.run('database', 'create', cli.catalog.name)).code, 1)
    assert.equal((await cli.run('database', 'create', 'other', '--holds', 'pooled')).code, 2)
  })

  test('stock is filled as asked or as configured, shown, and taken by the next tenant', async () => {
    assert.equal((await cli.run('stock', 'fill', '--isolation', 'schema')).code, 2)
    const filled = await cli.json('stock', 'fill', '--isolation', 'database', '--count', '1')
    assert.deepEqual(filled, { isolation: 'database', region: 'default', made: 1, waiting: 1 })
    const configured = await cli.json('stock', 'fill')
    assert.deepEqual(configured, { isolation: 'schema', region: 'default', made: 2, waiting: 2 })
    assert.deepEqual(await cli.rows('stock', 'show'), [{ isolation: 'schema', region: 'default', waiting: 2, wanted: 2 }])
    await cli.json('tenant', 'create', 'globex', '--plan', 'team')
    assert.deepEqual(await cli.rows('stock', 'show'), [{ isolation: 'schema', region: 'default', waiting: 1, wanted: 2 }])
    const bare = await cli.runOver({ cwd: '/' }, 'stock', 'fill', '--isolation', 'schema', '--count', '3')
    assert.equal(bare.code, 2)
    assert.match(bare.err, /knows no migrations/)
  })

  test('watch fills the stock, purges whom the grace is over for, and stops when it is told', async () => {
    await cli.json('tenant', 'create', 'hooli')
    await cli.json('tenant', 'offboard', 'hooli', '--reason', 'left', '--grace', '1s', '--yes')
    let stop: () => void = () => {}
    const stopped = new Promise<void>((resolve) => {
      stop = resolve
    })
    const seen: Record<string, unknown>[] = []
    const terminal = recordedTerminal({
      env: cli.env,
      cwd: cli.directory,
      untilStopped: () => stopped,
      print(line) {
        seen.push(JSON.parse(line))
        if (seen.some(({ state }) => state === 'done') && seen.some(({ made }) => made === 1)) stop()
      },
    })
    assert.equal(await runCli(['operation', 'watch', '--every', '1', '--json'], terminal), 0)
    assert.deepEqual(await cli.rows('stock', 'show'), [{ isolation: 'schema', region: 'default', waiting: 2, wanted: 2 }])
    assert.equal((await cli.run('tenant', 'show', 'hooli')).code, 1)
  })

  test('a fleet that is closed ends its keeper', async () => {
    const { gatekeeper, migrator } = cli.catalog.urls
    const fleet = await openFleet({ catalog: gatekeeper, admin: migrator, secrets: memorySecrets() })
    const rounds: KeptRound[] = []
    const kept = fleet.keep({ everyMs: 3_600_000, onRound: (round) => rounds.push(round) })
    await fleet.close()
    await kept
    assert.ok(rounds.length <= 1)
    await assert.rejects(fleet.keep({ everyMs: 1 }), { code: 'PW_INVALID_INPUT' })
  })

  test('operation resume goes on with what is due, and says so; an unknown operation is refused', async () => {
    await cli.json('tenant', 'create', 'vandelay')
    await cli.json('tenant', 'offboard', 'vandelay', '--reason', 'left', '--grace', '30d', '--yes')
    assert.deepEqual(await cli.rows('operation', 'resume'), [
      { kind: 'progress', done: 0, total: 0, failed: 0, running: 0, label: 'resume' },
    ])
    await cli.catalog.superuser.query(`update partywall.operations set wake_at = clock_timestamp() where state = 'waiting'`)
    const resumed = await cli.json<{ kind: string; state: string }>('operation', 'resume')
    assert.deepEqual([resumed.kind, resumed.state], ['offboard', 'done'])
    for (const verb of ['show', 'resume', 'retry'] as const) {
      assert.match((await cli.run('operation', verb, '0198b5e0-8c1a-7d3e-9b6f-2c4a5e8d1f70')).err, /PW_OPERATION_NOT_FOUND/)
    }
    assert.match((await cli.run('certificate', 'print', 'acme')).err, /PW_OPERATION_NOT_FOUND/)
  })

  test('residency is checked: a tenant who was put outside its region past the catalog is named', async () => {
    assert.equal((await cli.run('residency', 'check')).code, 0)
    await cli.json('tenant', 'create', 'stray')
    const move = async (region: string) =>
      await cli.catalog.superuser.transaction(async (connection) => {
        await connection.query('set local session_replication_role = replica')
        await connection.query(`update partywall.tenants set region = $1 where slug = 'stray'`, [region])
      })
    await move('mars')
    const found = await cli.run('residency', 'check', '--json')
    await move('default')
    assert.equal(found.code, 1)
    assert.deepEqual(
      found.out.map((line) => JSON.parse(line)).map(({ slug, tenantRegion, serverRegion }) => [slug, tenantRegion, serverRegion]),
      [['stray', 'mars', 'default']],
    )
  })

  test('a tenant on a server of its own is migrated with the secrets of the configuration, and with no others', async () => {
    const add = ['server', 'add', 'own', '--region', 'default', '--dedicated', '--url', second.superuserUrl] as const
    const refused = await cli.run(...add)
    assert.equal(refused.code, 1, 'its logins are there, and nobody has their passwords')
    assert.match(refused.err, /PW_SERVER_REFUSED/)
    assert.equal((await cli.run(...add, '--reset-passwords')).code, 0)
    const made = await cli.json<{ placement: { server: string }; version: string }>(
      ...['tenant', 'create', 'umbrella', '--isolation', 'server'],
    )
    assert.deepEqual([made.placement.server, made.version], ['own', '0001'])
    await writeFile(join(cli.directory, 'migrations', '0002-mood.sql'), 'alter table notes add column mood text;\n')
    const elsewhere = join(cli.directory, 'elsewhere')
    await mkdir(elsewhere)
    await writeFile(join(elsewhere, 'partywall.config.ts'), `${'export default'} { migrations: '../migrations' }\n`)
    const blind = await cli.runOver({ cwd: elsewhere }, 'migrate', 'up')
    assert.equal(blind.code, 3, blind.err)
    assert.match(blind.err, /no server\/own\/migrator/)
    assert.equal((await cli.json<{ version: string }>('tenant', 'show', 'umbrella')).version, '0001')
    const up = await cli.run('migrate', 'resume')
    assert.equal(up.code, 0, up.err)
    assert.equal((await cli.json<{ version: string }>('tenant', 'show', 'umbrella')).version, '0002')
  })
})
