// Checks of the servers, on one of this file's own that may be restarted with other parameters. Each is seen to find what is broken,
// and to be content when it is mended.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Placement } from '../../../../src/core/placement.ts'
import type { PlacedTenant } from '../../../../src/core/placement-adapter.ts'
import { ControlPool } from '../../../../src/postgres/control-pool.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../../../src/postgres/embedded.ts'
import type { MoveServer } from '../../../../src/postgres/moves/move-server.ts'
import { outputPlugin } from '../../../../src/postgres/moves/preflight/output-plugin.ts'
import { serverVersion } from '../../../../src/postgres/moves/preflight/server-version.ts'
import { type MoveSituation, surveyMove } from '../../../../src/postgres/moves/survey.ts'
import { secureServer } from '../../../../src/postgres/placements/secure-server.ts'
import { ensureRoles } from '../../../../src/postgres/roles.ts'
import { type Fleet, fleet } from '../../../support/fleet.ts'
import {
  catalogReader,
  found,
  mend,
  movableMigrations,
  needsMoves,
  seenIn,
  situationOf,
  type Wanted,
} from '../../../support/move-checks.ts'
import { passwords, urlFor } from '../../../support/template.ts'

const name = 'third'

let directory: string
let server: EmbeddedServer
let made: Fleet
let reader: ControlPool
let tenant: PlacedTenant
let situation: MoveSituation

/** The same server and the same address, with other parameters. */
async function restart(settings: Readonly<Record<string, string | number>> = {}): Promise<void> {
  await made?.connections.letGo('postgres')
  const port = server?.port
  await server?.stop()
  server = await startEmbeddedServer({
    directory,
    ...(port === undefined ? {} : { port }),
    settings: { fsync: 'off', shared_buffers: '16MB', max_prepared_transactions: 5, ...settings },
  })
}

/** What `alter system` has written: the tests' own parameters come by the command line, which wins over it. */
async function altered(): Promise<Readonly<Record<string, string>>> {
  const text = await readFile(join(server.dataDirectory, 'postgresql.auto.conf'), 'utf8')
  return Object.fromEntries([...text.matchAll(/^(\w+) = '(.*)'$/gm)].map((match) => [match[1]!, match[2]!]))
}

async function alice(text: string): Promise<readonly Record<string, unknown>[]> {
  return await made.connections.asAdministrator(name, (admin) => admin.query(text))
}

const seen = (wanted: Omit<Wanted, 'side'>, breakIt: () => Promise<unknown>, mendIt?: () => Promise<unknown>): Promise<void> =>
  seenIn(situation, { ...wanted, side: 'target' }, breakIt, mendIt)

describe('before a move, of the servers', { skip: needsMoves }, () => {
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'partywall-third-'))
    await restart()
    made = await fleet(movableMigrations)
    reader = catalogReader(made)
    tenant = await made.tenant('pooled')
    await made.connections.asMigrator('main', (control) =>
      control.query(`insert into partywall.servers (name, host, port, tenants_max) values ($1, '127.0.0.1', $2, 1)`, [name, server.port]),
    )
    made.secrets.set(`server/${name}/admin`, server.superuserUrl)
    made.secrets.set(`server/${name}/migrator`, passwords.migrator)
    const admin = new ControlPool({ connectionString: server.superuserUrl, applicationName: 'test-setup', connectionsMax: 1 })
    await ensureRoles(admin, passwords)
    await secureServer(admin)
    await admin.close()
    // The tests' own servers have no bound. What is looked for here is the third's.
    const target: Placement = { isolation: 'server', server: name, database: 'pw_third', schema: 'app' }
    situation = situationOf(made, tenant, target, { reader })
  })

  after(async () => {
    await reader?.close()
    await made?.strike()
    await server?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  describe('wal-level:', () => {
    test('a server whose log has no rows is found', async () => {
      await restart({ wal_level: 'replica' })
      const findings = await found(situation, 'wal-level')
      assert.deepEqual(
        findings.map(({ level, object, at }) => [level, object, at?.side]),
        [['refuse', 'wal_level', 'target']],
      )
      await mend(situation, findings)
      assert.match(await readFile(join(server.dataDirectory, 'postgresql.auto.conf'), 'utf8'), /wal_level = 'logical'/)
      await alice('alter system reset wal_level')
      await restart()
      assert.deepEqual(await found(situation, 'wal-level'), [])
    })
  })

  describe('slots:', () => {
    const rule = 'slots'

    test('slots, senders and workers that are too few are each found', async () => {
      const few = {
        max_replication_slots: 0,
        max_wal_senders: 0,
        max_logical_replication_workers: 1,
        max_active_replication_origins: 1,
        max_sync_workers_per_subscription: 0,
      }
      await restart(few)
      const findings = await found(situation, rule)
      assert.deepEqual(new Set(findings.map(({ object }) => object)), new Set(Object.keys(few)))
      assert.ok(findings.every(({ level, at }) => level === 'refuse' && at?.side === 'target'))
      await mend(situation, findings)
      await restart({ ...few, ...(await altered()) })
      assert.deepEqual(await found(situation, rule), [])
      await alice('alter system reset all')
      await restart()
    })

    test('one table at a time is a warning', async () => {
      await restart({ max_sync_workers_per_subscription: '1' })
      const findings = await found(situation, rule)
      await restart()
      assert.deepEqual(
        findings.filter(({ level }) => level === 'warn').map(({ object }) => object),
        ['max_sync_workers_per_subscription'],
      )
      assert.deepEqual(await found(situation, rule), [])
    })

    test('those that are taken are counted', async () => {
      const [{ max }] = (await alice(`select current_setting('max_replication_slots')::int as max`)) as [{ max: number }]
      for (let i = 0; i < max; i++) await alice(`select pg_create_logical_replication_slot('taken_${i}', 'pgoutput')`)
      const [finding] = await found(situation, rule)
      assert.match(finding!.problem, new RegExp(`Of ${max} replication slots, ${max} are in use`))
      await alice('select pg_drop_replication_slot(s.slot_name) from pg_replication_slots as s')
      assert.deepEqual(await found(situation, rule), [])
    })
  })

  describe('wal-limits:', () => {
    const rule = 'wal-limits'
    const ofThird = async () => (await found(situation, rule)).filter(({ at }) => at?.side === 'target')

    test('a log that nothing bounds, one that is kept too short, and slots that are given up too soon are warnings', async () => {
      const unlimited = { max_slot_wal_keep_size: '-1', idle_replication_slot_timeout: '0' }
      await restart(unlimited)
      const unbounded = await ofThird()
      assert.deepEqual(
        unbounded.map(({ level, object }) => [level, object]),
        [['warn', 'max_slot_wal_keep_size']],
      )
      await mend(situation, unbounded)
      await restart({ ...unlimited, ...(await altered()) })
      assert.deepEqual(await ofThird(), [])
      const small = { max_slot_wal_keep_size: '1MB', idle_replication_slot_timeout: '1min' }
      await restart(small)
      const tight = await ofThird()
      assert.deepEqual(
        tight.map(({ object }) => object),
        ['max_slot_wal_keep_size', 'idle_replication_slot_timeout'],
      )
      await mend(situation, tight)
      await restart({ ...small, ...(await altered()) })
      assert.deepEqual(await ofThird(), [])
      await alice('alter system reset all')
      await restart()
    })
  })

  describe('primary:', () => {
    test('a server that follows another one is found, and may be promoted', async () => {
      const signal = join(server.dataDirectory, 'standby.signal')
      await seen({ rule: 'primary', object: /third/ }, async () => {
        await writeFile(signal, '')
        await restart()
      })
    })
  })

  describe('server-version:', () => {
    test('an old server is refused, and one that forgets slots when it fails over is a warning', async () => {
      const survey = await surveyMove(situation)
      const levels = async (version: number) => {
        const old = { ...survey, target: { ...survey.target, server: { ...(survey.target.server as MoveServer), version } } }
        return (await serverVersion.check(old)).map(({ level, at }) => [level ?? 'refuse', at?.side])
      }
      assert.deepEqual(await levels(150_013), [['refuse', 'target']])
      assert.deepEqual(await levels(160_014), [['warn', 'target']])
      assert.deepEqual(await levels(170_000), [])
      const told = await found(situation, 'server-version')
      assert.deepEqual(
        told.filter(({ at }) => at?.side === 'target'),
        [],
      )
    })
  })

  describe('output-plugin:', () => {
    test('a server that does not let pgoutput read its log is found', async () => {
      const survey = await surveyMove(situation)
      const said = async (listed: string) => {
        const server = survey.target.server as MoveServer
        const strict = { ...server, settings: { ...server.settings, output_plugin_libraries: listed } }
        return (await outputPlugin.check({ ...survey, target: { ...survey.target, server: strict } })).map(({ fix }) => fix)
      }
      assert.deepEqual(await said('pgoutput, test_decoding'), [])
      assert.deepEqual(await said('wal2json, test_decoding'), [
        'alter system set output_plugin_libraries = "wal2json", "test_decoding", "pgoutput";\nselect pg_catalog.pg_reload_conf();',
      ])
      assert.equal((await said('')).length, 1)
      assert.deepEqual(await found(situation, 'output-plugin'), [])
    })
  })

  describe('long-transactions:', () => {
    const rule = 'long-transactions'

    test('a transaction that has written, anywhere on the server, is found with who holds it, and ended', async () => {
      const patient = { ...situation, transactionAgeMs: 0 }
      const writer = await open(`begin; create table public.held (id integer)`)
      const findings = (await found(patient, rule)).filter(({ at }) => at?.side === 'target')
      assert.equal(findings.length, 1)
      assert.match(findings[0]!.problem, /postgres in postgres \(test-holder\) has been open for \d+ s \(idle in transaction\)/)
      assert.equal(findings[0]!.level, 'warn')
      assert.deepEqual(await found(situation, rule), [], 'one that is young is not')
      await mend(patient, findings)
      assert.deepEqual(
        (await found(patient, rule)).filter(({ at }) => at?.side === 'target'),
        [],
      )
      await writer.end().catch(() => {})
    })

    test('one that has only read, in another database, is not waited for', async () => {
      const holder = await open('begin; select 1')
      assert.deepEqual(
        (await found({ ...situation, transactionAgeMs: 0 }, rule)).filter(({ at }) => at?.side === 'target'),
        [],
      )
      await holder.end()
    })

    test('one that is prepared ends by nobody, and refuses', async () => {
      const patient = { ...situation, transactionAgeMs: 0 }
      await alice(`begin; create table public.half (id integer); prepare transaction 'half'`)
      const findings = (await found(patient, rule)).filter(({ at }) => at?.side === 'target')
      assert.deepEqual(
        findings.map(({ level, object }) => [level, object]),
        [['refuse', 'prepared transaction "half"']],
      )
      await alice(`rollback prepared 'half'`)
      assert.deepEqual(
        (await found(patient, rule)).filter(({ at }) => at?.side === 'target'),
        [],
      )
    })
  })

  describe('replication-role:', () => {
    test('an administrator that cannot make such a login is found; mended, it makes one that replicates', async (t) => {
      t.after(async () => {
        made.secrets.set(`server/${name}/admin`, server.superuserUrl)
        await made.connections.letGo('postgres')
      })
      await alice(`create role steward login createrole createdb password 'steward'`)
      await alice('grant connect on database postgres to steward')
      made.secrets.set(`server/${name}/admin`, urlFor(server.superuserUrl, 'postgres', { name: 'steward', password: 'steward' }))
      await made.connections.letGo('postgres')
      const findings = await found(situation, 'replication-role')
      assert.deepEqual(
        findings.map(({ level, object }) => [level, object]),
        [['refuse', 'role steward']],
      )
      assert.match(findings[0]!.problem, /REPLICATION, BYPASSRLS, partywall_owner with admin option/)
      made.secrets.set(`server/${name}/admin`, server.superuserUrl)
      await made.connections.letGo('postgres')
      await mend(situation, findings)
      made.secrets.set(`server/${name}/admin`, urlFor(server.superuserUrl, 'postgres', { name: 'steward', password: 'steward' }))
      await made.connections.letGo('postgres')
      assert.deepEqual(await found(situation, 'replication-role'), [])
      assert.deepEqual(await found(situation, 'reachable'), [])
    })
  })

  describe('reachable:', () => {
    const rule = 'reachable'
    const logins = () => alice(`select r.rolname from pg_catalog.pg_roles as r where r.rolname like 'pw\\_tr\\_%'`)

    test('servers that reach each other are tried, and nothing is left', async () => {
      assert.deepEqual(await found(situation, rule), [])
      assert.deepEqual(await logins(), [])
      assert.deepEqual(await alice('select s.subname from pg_catalog.pg_subscription as s'), [])
    })

    for (const [what, line, words] of [
      ['lets the move’s login in without a password', 'host all all 127.0.0.1/32 trust', /without asking for a password/],
      ['keeps the move’s login out', 'host all "/^pw_tr_" 127.0.0.1/32 reject', /cannot replicate from third|rejects connection/],
    ] as const) {
      test(`a server that ${what} is found`, async () => {
        const conf = join(server.dataDirectory, 'pg_hba.conf')
        const text = await readFile(conf, 'utf8')
        await writeFile(conf, `${line}\n${text}`)
        await alice('select pg_reload_conf()')
        const findings = await found(situation, rule)
        assert.ok(
          findings.some(({ level, problem }) => level === 'refuse' && words.test(problem)),
          JSON.stringify(findings),
        )
        assert.deepEqual(await logins(), [])
        await writeFile(conf, text)
        await alice('select pg_reload_conf()')
        assert.deepEqual(await found(situation, rule), [])
      })
    }

    test('a server that is down is found by this check alone, and those of the other one go on', async () => {
      await made.connections.letGo('postgres')
      await server.stop()
      const findings = await found(situation, rule)
      assert.deepEqual(
        findings.map(({ object, level, at }) => [object, level, at?.side]),
        [[name, 'refuse', 'target']],
      )
      assert.deepEqual(await found(situation, 'slots'), [])
      await restart()
      assert.deepEqual(await found(situation, rule), [])
    })

    test('a server that the catalog does not have is found', async () => {
      const nowhere = { ...situation, target: { ...situation.target, server: 'nowhere' } }
      assert.match((await found(nowhere, rule))[0]!.problem, /no such server/)
    })
  })
})

/** A session of somebody else's. */
async function open(text: string) {
  const pool = new ControlPool({ connectionString: server.superuserUrl, applicationName: 'test-holder', connectionsMax: 1 })
  const client = await pool.dedicated()
  client.on('error', () => {})
  await client.query(text)
  await pool.close()
  return client
}
