// Servers join the fleet, are filled, emptied and leave it.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { serverNameOf } from '../../src/core/provisioner.ts'
import {
  CapacityError,
  ConfigurationError,
  DatabaseFullError,
  DatabaseUnavailableError,
  InvalidInputError,
  ProvisionerError,
  RegionMismatchError,
  ServerExistsError,
  ServerInUseError,
  ServerNotFoundError,
  ServerRefusedError,
} from '../../src/errors.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { databaseUrl } from '../../src/postgres/database.ts'
import type { EmbeddedServer } from '../../src/postgres/embedded.ts'
import { OwnedServers } from '../../src/postgres/owned-servers.ts'
import { serverFindings } from '../../src/postgres/server-facts.ts'
import { opens } from '../../src/postgres/server-logins.ts'
import { residencyFindings } from '../../src/postgres/server-rows.ts'
import { Servers } from '../../src/postgres/servers.ts'
import { dedicatedServer } from '../../src/provisioners/dedicated-server.ts'
import { embedded } from '../../src/provisioners/embedded.ts'
import { inventory } from '../../src/provisioners/inventory.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { fleetServer, frugalSettings, MemorySecrets } from '../support/fleet-server.ts'
import { testServer } from '../support/server.ts'

interface Fleet {
  readonly database: TestDatabase
  readonly servers: Servers
  readonly secrets: MemorySecrets
  readonly owned: OwnedServers
  readonly reader: ControlPool
}

async function fleet(t: TestContext): Promise<Fleet> {
  const database = await testDatabase(t)
  const open = (connectionString: string) => new ControlPool({ connectionString, applicationName: 'test' })
  const [reader, writer] = [open(database.urls.gatekeeper), open(database.urls.migrator)]
  t.after(async () => {
    await reader.close()
    await writer.close()
  })
  const secrets = new MemorySecrets()
  return { database, secrets, reader, servers: new Servers({ reader, writer, secrets }), owned: new OwnedServers(writer) }
}

/** A server by its row alone: for choosing, where nobody connects. */
async function row({ database }: Fleet, name: string, values: Record<string, unknown> = {}): Promise<void> {
  const { region = 'eu', labels = {}, tenantsMax = null, state = 'active' } = values
  await database.superuser.query(
    `insert into partywall.servers (name, region, host, port, labels, tenants_max, state) values ($1, $2, '127.0.0.1', 5432, $3, $4, $5)`,
    [name, region, JSON.stringify(labels), tenantsMax, state],
  )
}

async function databases({ database }: Fleet, server: string, count: number): Promise<void> {
  await database.superuser.query(
    `insert into partywall.databases (name, server_name, database_name, holds, login, secret_name, state)
     select $1 || '-' || g, $1, 'd' || g, 'tenant', 'l' || g, 's' || g, 'stock' from generate_series(1, $2::int) as g`,
    [server, count],
  )
}

const request = (slug: string, values: Partial<{ region: string; operationId: string }> = {}) => ({
  tenantId: `018f0000-0000-7000-8000-${Buffer.from(slug.padEnd(6, '_')).toString('hex')}` as never,
  region: 'eu',
  plan: 'enterprise',
  labels: {},
  operationId: `onboard-${slug}`,
  ...values,
})

describe('a server', () => {
  let added: EmbeddedServer
  before(async () => {
    added = await fleetServer()
  })
  after(async () => await added.stop())

  test('joins the fleet with roles of ours and generated passwords, and may be added again without a change', async (t) => {
    const { servers, secrets, reader } = await fleet(t)
    const input = { name: 'north', region: 'eu', adminUrl: added.superuserUrl, labels: { disk: 'fast' }, tenantsMax: 20 }
    const { server, facts, findings } = await servers.add(input)
    assert.deepEqual([server.name, server.region, server.state, server.tenantsMax, server.host], ['north', 'eu', 'active', 20, '127.0.0.1'])
    assert.ok(facts!.isSuperuser && !facts!.isReplica && Math.abs(facts!.clockSkewMs) < 2_000)
    assert.ok(findings.every(({ severity }) => severity === 'warning'))
    assert.equal(secrets.kept.get('server/north/admin'), added.superuserUrl)
    for (const login of ['migrator', 'gatekeeper', 'app'] as const) {
      const password = secrets.kept.get(`server/north/${login}`)!
      const url = (word: string) => databaseUrl(added.superuserUrl, { login: { name: `partywall_${login}`, password: word } })
      assert.deepEqual([await opens(url(password)), await opens(url('another'))], [true, false])
      // They have no business in the server's own database: what opens there is refused afterwards.
      const control = new ControlPool({ connectionString: url(password), applicationName: 'test' })
      await assert.rejects(control.query('select 1'), { code: '42501' })
      await control.close()
    }
    const kept = new Map(secrets.kept)
    await servers.add({ ...input, tenantsMax: 30 })
    assert.deepEqual(secrets.kept, kept, 'a password that works is kept')
    assert.equal((await servers.get('north')).tenantsMax, 30)
    const rows = JSON.stringify(await reader.query('select to_jsonb(s) as row from partywall.servers as s'))
    for (const secret of kept.values()) assert.ok(!rows.includes(secret), 'no secret is in the catalog')
    const listed = await servers.list({ measure: true })
    assert.deepEqual(
      listed.map(({ name, bytes }) => [name, bytes]),
      [
        ['main', undefined],
        ['north', 0],
      ],
    )
    await servers.remove('north')
  })

  test('whose logins are somebody else’s is refused, and no password is reset unasked', async (t) => {
    const { servers, secrets } = await fleet(t)
    const input = { name: 'north', region: 'eu', adminUrl: added.superuserUrl }
    await assert.rejects(servers.add(input), (error: Error) => {
      assert.ok(error instanceof ServerRefusedError)
      assert.match(error.message, /partywall_migrator is on the server north already, and its password is not in the secret store/)
      return true
    })
    assert.equal((await servers.get('north')).state, 'provisioning', 'it is not used')
    await assert.rejects(servers.pick({ region: 'eu', for: 'database' }), CapacityError)
    secrets.kept.set('server/north/migrator', 'a wrong one')
    await assert.rejects(servers.add(input), ServerRefusedError)
    await servers.add({ ...input, resetPasswords: true })
    assert.equal((await servers.get('north')).state, 'active')
  })

  test('whose registration was cut short is finished by adding it again', async (t) => {
    const { servers, secrets, database } = await fleet(t)
    const other = await fleetServer()
    try {
      // An administrator as clouds give one: no superuser.
      const superuser = new ControlPool({ connectionString: other.superuserUrl, applicationName: 'test' })
      await superuser.query(`create role boss login createrole createdb password 'boss'`)
      await superuser.close()
      const adminUrl = databaseUrl(other.superuserUrl, { login: { name: 'boss', password: 'boss' } })
      const input = { name: 'south', region: 'eu', adminUrl }
      for (const cutAt of ['server/south/admin', 'server/south/migrator', 'server/south/gatekeeper', 'server/south/app']) {
        secrets.beforePut = (name) => {
          if (name === cutAt) throw new DatabaseFullError('the secret store is full')
        }
        await assert.rejects(servers.add(input), DatabaseFullError)
        assert.equal((await servers.get('south')).state, 'provisioning')
      }
      secrets.beforePut = () => {}
      const { findings } = await servers.add(input)
      assert.ok(findings.some(({ rule, severity }) => rule === 'superuser' && severity === 'warning'))
      assert.equal((await servers.get('south')).state, 'active')
      await database.superuser.query(`update partywall.servers set state = 'provisioning' where name = 'south'`)
      const before = new Map(secrets.kept)
      await servers.add(input)
      assert.deepEqual(secrets.kept, before)
    } finally {
      await other.stop()
    }
    // It is down now: a finding, not a failure; and nothing else is registered under its name.
    const { facts, findings } = await servers.check('south')
    assert.deepEqual([facts, findings[0]!.rule], [undefined, 'reach'])
    await assert.rejects(servers.add({ name: 'south', region: 'eu', adminUrl: added.superuserUrl }), ServerExistsError)
    await assert.rejects(servers.add({ name: 'west', region: 'eu', adminUrl: other.superuserUrl }), DatabaseUnavailableError)
    await servers.remove('south')
    assert.deepEqual([...secrets.kept.keys()], [])
    await assert.rejects(servers.remove('south'), ServerNotFoundError)
  })

  test('with a login that may not create roles and databases is refused with each reason', async (t) => {
    const { servers } = await fleet(t)
    const admin = new ControlPool({ connectionString: added.superuserUrl, applicationName: 'test' })
    await admin.query(`create role weak login password 'weak'`)
    await admin.query('grant connect on database postgres to weak')
    await admin.close()
    const adminUrl = databaseUrl(added.superuserUrl, { login: { name: 'weak', password: 'weak' } })
    await assert.rejects(servers.add({ name: 'weak', region: 'eu', adminUrl }), (error: Error) => {
      assert.ok(error instanceof ServerRefusedError)
      assert.match(error.message, /may not create roles[\s\S]*may not create databases/)
      return true
    })
    await assert.rejects(servers.get('weak'), ServerNotFoundError)
    for (const bad of ['http://a:b@c/d', 'postgres://host/db', 'nonsense', `postgres://x:pass word@h:99999/`])
      await assert.rejects(servers.add({ name: 'weak', region: 'eu', adminUrl: bad }), (error: Error) => {
        assert.ok(error instanceof InvalidInputError && !error.message.includes('pass word'))
        return true
      })
  })

  test('that is the catalog’s own is adopted, and no other in its place', async (t) => {
    const { servers, secrets } = await fleet(t)
    const { superuserUrl } = await testServer()
    await assert.rejects(servers.adoptMain({ adminUrl: added.superuserUrl }), ServerRefusedError)
    await assert.rejects(servers.add({ name: 'main', region: 'eu', adminUrl: superuserUrl }), ConfigurationError)
    await servers.adoptMain({ adminUrl: superuserUrl })
    assert.equal(secrets.kept.get('server/main/admin'), superuserUrl)
    await assert.rejects(servers.remove('main'), ServerInUseError)
    const replica = { server: 'main', name: 'copy', host: added.host, port: added.port }
    await assert.rejects(servers.addReplica(replica), DatabaseUnavailableError)
    assert.deepEqual(await servers.listReplicas(), [])
    await assert.rejects(servers.removeReplica('main', 'copy'), ServerNotFoundError)
  })
})

describe('what speaks against a server:', () => {
  const facts = {
    systemIdentifier: '1',
    version: 180_004,
    isReplica: false,
    isSuperuser: true,
    mayCreateRoles: true,
    mayCreateDatabases: true,
    walLevel: 'logical',
    isEncrypted: true,
    clockSkewMs: 3,
    roundTripMs: 1,
  }
  const found = (changed: Partial<typeof facts>, host = 'db.example', options = {}) =>
    serverFindings({ ...facts, ...changed }, host, options).map(({ rule, severity }) => `${rule} ${severity}`)
  test('nothing, if it is good', () => assert.deepEqual(found({}), []))
  for (const [name, changed, expected] of [
    ['too old a version', { version: 140_010 }, ['version refused']],
    ['a version that cannot be moved from live', { version: 150_004 }, ['version warning']],
    ['that it is a replica', { isReplica: true }, ['replica refused']],
    ['the write-ahead log of less than logical', { walLevel: 'replica' }, ['wal-level warning']],
    ['a clock that is off', { clockSkewMs: -60_000 }, ['clock warning']],
    ['a network that anybody can read', { isEncrypted: false }, ['tls refused']],
  ] as const)
    test(name, () => assert.deepEqual(found(changed), expected))
  test('but not the network of the machine itself, nor one that is said to be trusted', () => {
    for (const host of ['127.0.0.1', 'localhost', '::1']) assert.deepEqual(found({ isEncrypted: false }, host), [])
    assert.deepEqual(found({ isEncrypted: false }, '10.0.0.5', { allowUnencrypted: true }), ['tls warning'])
    assert.deepEqual(found({ isEncrypted: false }, '127.evil.example'), ['tls refused'])
  })
})

describe('a place is chosen', () => {
  test('in the region, with room, where the share of what is taken is least; never on a server that drains', async (t) => {
    const all = await fleet(t)
    const { servers } = all
    await row(all, 'big', { tenantsMax: 10 })
    await row(all, 'small', { tenantsMax: 2 })
    await row(all, 'ssd', { tenantsMax: 5, labels: { disk: 'ssd' } })
    await row(all, 'elsewhere', { region: 'us', tenantsMax: 100 })
    await databases(all, 'big', 4)
    await databases(all, 'small', 1)
    await databases(all, 'ssd', 3)
    const pick = async (labels = {}) => (await servers.pick({ region: 'eu', labels, for: 'database' })).name
    assert.equal(await pick(), 'big')
    assert.equal(await pick({ disk: 'ssd' }), 'ssd')
    const { server, residents } = await servers.drain('big')
    assert.deepEqual([server.state, residents], ['draining', []])
    assert.equal(await pick(), 'small')
    await servers.setTenantsMax('small', 1)
    await assert.rejects(pick({ disk: 'tape' }), CapacityError)
    await servers.drain('ssd')
    await assert.rejects(pick(), CapacityError)
    await assert.rejects(servers.pick({ region: 'mars', for: 'database' }), RegionMismatchError)
    await servers.activate('big')
    assert.equal(await pick(), 'big')
    await assert.rejects(servers.remove('big'), (error: Error) => error instanceof ServerInUseError && /4 databases/.test(error.message))
    assert.equal((await servers.get('big')).state, 'active', 'what is refused changes nothing')
  })

  test('for a whole tenant only on a server kept for one, and for others never there', async (t) => {
    const all = await fleet(t)
    await row(all, 'shelf', { labels: { dedicated: true }, tenantsMax: 1 })
    await assert.rejects(all.servers.pick({ region: 'eu', for: 'database' }), CapacityError)
    assert.equal((await all.servers.pick({ region: 'eu', for: 'server' })).name, 'shelf')
    await databases(all, 'shelf', 1)
    await assert.rejects(all.servers.pick({ region: 'eu', for: 'server' }), CapacityError)
  })
})

describe('rows stay in their region:', () => {
  test('a server’s region does not change under those who live there, and nobody is found outside theirs', async (t) => {
    const { servers, database, reader } = await fleet(t)
    await servers.setRegion('main', 'eu')
    await database.superuser.query(`insert into partywall.tenants (slug, name, region) values ('bob', 'Bob', 'eu')`)
    await assert.rejects(servers.setRegion('main', 'us'), RegionMismatchError)
    await assert.rejects(database.superuser.query(`insert into partywall.tenants (slug, name, region) values ('carol', 'Carol', 'us')`), {
      code: 'PW011',
    })
    assert.deepEqual(await residencyFindings(reader), [])
    // Past the triggers, as somebody might who restores a dump.
    await database.superuser.transaction(async (connection) => {
      await connection.query('set local session_replication_role = replica')
      await connection.query(`update partywall.servers set region = 'us' where name = 'main'`)
    })
    const found = await residencyFindings(reader)
    assert.deepEqual(
      found.map(({ slug, tenantRegion, server, serverRegion }) => [slug, tenantRegion, server, serverRegion]),
      [['bob', 'eu', 'main', 'us']],
    )
  })
})

describe('a server of a tenant’s own', () => {
  test('is taken off the shelf by one tenant, whoever else asks at the same time, and is put back empty', async (t) => {
    const all = await fleet(t)
    const { servers, owned, secrets } = all
    for (const name of ['one', 'two']) await row(all, name, { labels: { dedicated: true }, tenantsMax: 1 })
    const dedicated = dedicatedServer({ servers, owned, provisioner: inventory({ owned, secrets }) })
    const asked = await Promise.allSettled(['bob', 'carol', 'eve'].map((slug) => dedicated.acquire(request(slug))))
    const given = asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    assert.deepEqual(given.sort(), ['one', 'two'])
    assert.ok(asked.some((each) => each.status === 'rejected' && each.reason instanceof CapacityError))
    const lucky = ['bob', 'carol', 'eve'][asked.findIndex(({ status }) => status === 'fulfilled')]!
    const mine = await dedicated.acquire(request(lucky))
    await row(all, 'three', { labels: { dedicated: true }, tenantsMax: 1 })
    const twice = await Promise.all([owned.take(request('dave')), owned.take(request('dave'))])
    assert.deepEqual(
      twice.map(({ name }) => name),
      ['three', 'three'],
      'one tenant gets one, however often it asks',
    )
    assert.equal(await dedicated.reserve(request(lucky)), mine, 'asked again, the same')
    await assert.rejects(dedicated.acquire(request(lucky, { region: 'us' })), RegionMismatchError)
    await assert.rejects(servers.remove(mine), ServerInUseError)
    await databases(all, mine, 1)
    await assert.rejects(dedicated.release(request(lucky)), ServerInUseError)
    await all.database.superuser.query('delete from partywall.databases where server_name = $1', [mine])
    await dedicated.release(request(lucky))
    await dedicated.release(request(lucky))
    assert.equal((await servers.get(mine)).provisioned, null)
  })

  test('is made for it, resumed by the operation that began it, and destroyed', async (t) => {
    const { servers, owned, secrets } = await fleet(t)
    const directory = await mkdtemp(join(tmpdir(), 'partywall-dedicated-'))
    const binDirectory = process.env['PARTYWALL_TEST_POSTGRES_BIN']
    const made = embedded({ directory, settings: frugalSettings, binDirectory })
    t.after(async () => {
      await made.stop()
      await rm(directory, { recursive: true, force: true })
    })
    const calls: string[] = []
    let isBroken = true
    const dedicated = dedicatedServer({
      servers,
      owned,
      provisioner: {
        ...made,
        acquire: async ({ operationId }) => {
          calls.push(`acquire ${operationId}`)
          throw new ProvisionerError('The cloud is down.')
        },
        resume: async (asked) => {
          calls.push(`resume ${asked.operationId}`)
          const connection = await made.resume(asked)
          return isBroken ? { ...connection, state: { note: connection.adminPassword } } : { ...connection, state: { id: 7 } }
        },
      },
    })
    const bob = request('bob')
    const name = await dedicated.reserve(bob)
    assert.equal(name, serverNameOf(bob.tenantId))
    await assert.rejects(dedicated.acquire(bob), ProvisionerError)
    await assert.rejects(dedicated.acquire({ ...bob, operationId: 'another' }), /put the password into its state/)
    isBroken = false
    assert.equal(await dedicated.acquire({ ...bob, operationId: 'another' }), name)
    assert.deepEqual(calls, ['acquire onboard-bob', 'resume onboard-bob', 'resume onboard-bob'])
    const server = await servers.get(name)
    assert.deepEqual([server.state, server.region, server.tenantsMax, server.labels['dedicated']], ['active', 'eu', 1, true])
    assert.deepEqual((server.provisioned as { state: unknown }).state, { id: 7 })
    assert.equal(secrets.kept.size, 4)
    await dedicated.release(bob)
    await assert.rejects(servers.get(name), ServerNotFoundError)
    assert.equal(secrets.kept.size, 0)
    await dedicated.release(bob)
  })
})
