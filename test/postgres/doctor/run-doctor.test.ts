// The doctor's rounds: every place of a fleet is looked at, and whatever is not is said.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { DoctorEvent } from '../../../src/core/doctor-event.ts'
import { AbortedError, ConfigurationError } from '../../../src/errors.ts'
import { ControlPool } from '../../../src/postgres/control-pool.ts'
import { allChecks } from '../../../src/postgres/doctor/all-checks.ts'
import { catalogTasks } from '../../../src/postgres/doctor/catalog-tasks.ts'
import { bySql, type DoctorCheck } from '../../../src/postgres/doctor/check.ts'
import { examineCatalog } from '../../../src/postgres/doctor/fleet-doctor.ts'
import { fleetTasks } from '../../../src/postgres/doctor/fleet-tasks.ts'
import { type RunDoctorOptions, runDoctor } from '../../../src/postgres/doctor/run-doctor.ts'
import { type CliFleet, cliFleet } from '../../support/cli-fleet.ts'
import { testDatabase } from '../../support/database.ts'

const facts = { level: 'warning', title: 'A test', gain: 'Nothing.' } as const
const onServer = bySql({ ...facts, stem: 'on-server', scope: 'server' }, `select $1::text as object, 'Said.' as problem, null as fix`)
const inDatabase = bySql(
  { ...facts, stem: 'in-database', scope: 'database' },
  `select current_user || ' ' || $1::text as object, 'Said.' as problem, 'select 1;' as fix, 'administrator' as "fixAs", true as "isFixSafe", 'note' as level`,
)
const inCatalog = bySql(
  { ...facts, stem: 'in-catalog', scope: 'catalog' },
  `select count(*)::text as object, 'Said of ' || $1::text || '.' as problem, null as fix from partywall.tenants as t`,
)
const failing = bySql({ ...facts, stem: 'failing', scope: 'database' }, 'select 1 / length($1::text || null) + missing')
const nosy = bySql(
  { ...facts, stem: 'nosy', scope: 'database' },
  'select n.body as object, $1::text as problem, null as fix from app.notes as n',
)

describe('over a fleet', () => {
  let cli: CliFleet
  let own: string
  let schemas: string

  before(async () => {
    cli = await cliFleet()
    await cli.fleet.secrets.put('server/main/admin', cli.catalog.urls.superuser)
    await cli.fleet.placements.schemaDatabases.create({ server: 'main', name: `schemas_${cli.catalog.name.slice(5)}` })
    for (const [slug, plan] of [
      ['acme', 'free'],
      ['globex', 'team'],
      ['umbrella', 'business'],
    ] as const) {
      await cli.json('tenant', 'onboard', slug, '--plan', plan)
    }
    const rows = await cli.catalog.superuser.query<{ holds: string; name: string }>('select d.holds, d.name from partywall.databases as d')
    own = rows.find(({ holds }) => holds === 'tenant')!.name
    schemas = rows.find(({ holds }) => holds === 'schema')!.name
  })

  after(async () => {
    await cli.strike()
  })

  const run = (checks: readonly DoctorCheck[], over: Partial<RunDoctorOptions & Parameters<typeof fleetTasks>[0]> = {}) => {
    const { reader, connections } = cli.fleet
    return runDoctor(fleetTasks({ reader, connections, checks, ...over }), { checks, ...over })
  }

  test('a check is made once a server, in each database, or in the catalog, as its scope says', async () => {
    const events = await Array.fromAsync(run([onServer, inDatabase, inCatalog]))
    assert.deepEqual(events[0], {
      kind: 'begin',
      checks: [onServer, inDatabase, inCatalog].map(({ stem, level, title, gain, scope }) => ({
        stem,
        level,
        title,
        gain,
        scope,
        asOf: undefined,
      })),
    })
    const seen = findings(events).map(({ check, at }) => `${check} ${at.server} ${at.database}`)
    const everywhere = [schemas, 'main', own].map((name) => `in-database main ${name}`)
    assert.deepEqual(seen.toSorted(), ['in-catalog main main', ...everywhere, 'on-server main null'].toSorted())
    const places = events.flatMap((event) => (event.kind === 'looked' ? [event.at.database] : []))
    assert.deepEqual(places.toSorted(), [schemas, 'main', own, null].toSorted())
  })

  test('what a check says becomes a finding with its place, its gain and its key; it speaks as the doctor', async () => {
    const events = await Array.fromAsync(run([inDatabase], { isWanted: ({ database }) => database === own }))
    assert.deepEqual(findings(events), [
      {
        check: 'in-database',
        level: 'note',
        at: { server: 'main', database: own },
        object: 'partywall_doctor partywall_app',
        problem: 'Said.',
        gain: 'Nothing.',
        fix: 'select 1;',
        fixAs: 'administrator',
        isFixSafe: true,
        key: `in-database:main/${own}:partywall_doctor partywall_app`,
      },
    ])
  })

  test('two things about one object have two keys, whatever their order', async () => {
    const twice = (order: string) =>
      bySql(
        { ...facts, stem: 'twice', scope: 'catalog' },
        `select o as object, p as problem, null as fix from (values ('x', 'One.'), ('x', 'Two.'), ('y', $1::text)) as v (o, p) order by p ${order}`,
      )
    const keys = async (order: string) =>
      findings(await Array.fromAsync(run([twice(order)])))
        .map(({ key }) => key)
        .toSorted()
    const found = await keys('asc')
    assert.deepEqual(found, await keys('desc'))
    assert.match(found.join(' '), /^twice:main\/main:x:[0-9a-f]{8} twice:main\/main:x:[0-9a-f]{8} twice:main\/main:y$/)
    assert.notEqual(found[0], found[1])
  })

  test('a check that fails is a finding, with the database’s words, and the others are made', async () => {
    const events = await Array.fromAsync(run([failing, nosy, inDatabase], { isWanted: ({ database }) => database === 'main' }))
    assert.deepEqual(
      findings(events).map(({ check, level, object }) => [check, level, object]),
      [
        ['check-failed', 'error', 'failing'],
        ['check-failed', 'error', 'nosy'],
        ['in-database', 'note', 'partywall_doctor partywall_app'],
      ],
    )
    const [first, second] = findings(events)
    assert.match(first!.problem, /column "missing" does not exist/)
    assert.match(second!.problem, /permission denied/)
  })

  test('of more findings than anybody reads, the rest are counted, as far as they fit in memory', async () => {
    for (const [count, what] of [
      [1_200, '200 further findings of many'],
      [1_000_000, 'at least 4000 further findings of many'],
    ] as const) {
      const many = bySql(
        { ...facts, stem: 'many', scope: 'catalog' },
        `select i::text as object, $1::text as problem, null as fix from generate_series(1, ${count}) as i order by i`,
      )
      const events = await Array.fromAsync(run([many]))
      assert.deepEqual(
        findings(events).map(({ object }) => Number(object)),
        Array.from({ length: 1_000 }, (_, index) => index + 1),
      )
      assert.deepEqual(
        unseen(events).map(({ kind, what: told }) => [kind, told]),
        [['limit', what]],
      )
    }
  })

  test('a database that cannot be reached is said, and the rest goes on', async () => {
    await cli.catalog.superuser.query(`alter database "${own}" with allow_connections false`)
    await cli.fleet.connections.letGo(own)
    try {
      const events = await Array.fromAsync(run([onServer, inDatabase]))
      assert.deepEqual(
        unseen(events).map(({ kind, at }) => [kind, at.database]),
        [['gap', own]],
      )
      assert.match(unseen(events)[0]!.why, /not currently accepting connections/)
      assert.deepEqual(
        findings(events)
          .filter(({ check }) => check === 'in-database')
          .map(({ at }) => at.database)
          .toSorted(),
        [schemas, 'main'].toSorted(),
      )
    } finally {
      await cli.catalog.superuser.query(`alter database "${own}" with allow_connections true`)
    }
  })

  test('a server that is down, one without its secret and one that is being made are said', async () => {
    await cli.catalog.superuser.query(`
      insert into partywall.servers (name, host, port) values ('away', '127.0.0.1', 1), ('mute', '127.0.0.1', 1);
      insert into partywall.servers (name, host, port, state) values ('coming', '127.0.0.1', 1, 'provisioning'), ('gone', '127.0.0.1', 1, 'retired')`)
    await cli.fleet.secrets.put('server/away/admin', 'postgres://a:b@127.0.0.1:1/postgres')
    try {
      const events = await Array.fromAsync(run([onServer, inDatabase], { isWanted: ({ server }) => server !== 'main' }))
      assert.deepEqual(findings(events), [])
      assert.deepEqual(
        unseen(events)
          .map(({ kind, at, what }) => [kind, at.server, what])
          .toSorted(),
        [
          ['gap', 'away', 'the server away'],
          ['gap', 'mute', 'the server mute'],
          ['limit', 'coming', 'the server coming'],
        ],
      )
      assert.match(unseen(events).find(({ at }) => at.server === 'mute')!.why, /no server\/mute\/admin/)
    } finally {
      await cli.catalog.superuser.query(`delete from partywall.servers where name <> 'main'`)
    }
  })

  test('no more places are held at once than were asked for', async () => {
    let inside = 0
    let most = 0
    const slow: DoctorCheck = {
      ...facts,
      stem: 'slow',
      scope: 'database',
      async find({ control }) {
        inside += 1
        most = Math.max(most, inside)
        await control.query('select pg_sleep(0.02)')
        inside -= 1
        return []
      },
    }
    await Array.fromAsync(run([slow], { atOnce: 1 }))
    assert.equal(most, 1)
    await Array.fromAsync(run([slow], { atOnce: 3 }))
    assert.ok(most > 1)
  })

  test('a signal ends it, and so does whoever stops reading', async () => {
    const controller = new AbortController()
    controller.abort()
    await assert.rejects(Array.fromAsync(run([inDatabase], { signal: controller.signal })), AbortedError)
    for await (const event of run([inDatabase, onServer])) if (event.kind === 'finding') break
  })

  test('each tenant’s place is compared with the catalog when that is asked for', async () => {
    assert.deepEqual(findings(await Array.fromAsync(cli.fleet.doctor({ checks: ['app-can-become'], placements: true }))), [])
    const [tenant] = await cli.catalog.superuser.query<{ id: string; schema: string }>(
      `select t.id, t.schema_name as schema from partywall.tenants as t where t.slug = 'globex'`,
    )
    await cli.fleet.connections.asMigrator(schemas, (control) => control.query(`grant usage on schema ${tenant!.schema} to public`))
    const found = findings(await Array.fromAsync(cli.fleet.doctor({ checks: ['app-can-become'], placements: true })))
    assert.deepEqual(
      found.map(({ check, at, object, isFixSafe }) => [check, at.database, object, isFixSafe]),
      [['placement-drift', schemas, tenant!.schema, false]],
    )
    assert.match(found[0]!.problem, new RegExp(`^Tenant ${tenant!.id}: PUBLIC has USAGE`))
    assert.deepEqual(findings(await Array.fromAsync(cli.fleet.doctor({ checks: ['app-can-become'] }))), [], 'only when it is asked for')
    await cli.fleet.connections.asMigrator(schemas, (control) => control.query(found[0]!.fix!))
    assert.deepEqual(findings(await Array.fromAsync(cli.fleet.doctor({ checks: ['app-can-become'], placements: true }))), [])
  })

  test('on a sound fleet no check finds anything, and none fails', async () => {
    const events = await Array.fromAsync(cli.fleet.doctor({ placements: true, isWanted: ({ server }) => server === 'main' }))
    // Other tests’ databases are on the same server: what they have there is not this fleet’s.
    assert.deepEqual(
      findings(events).filter(({ at }) => at.database !== null),
      [],
    )
    assert.deepEqual(
      findings(events).filter(({ check }) => check === 'check-failed'),
      [],
    )
    assert.deepEqual(unseen(events), [])
  })
})

describe('over the catalog’s database alone', () => {
  const both = [onServer, inDatabase]

  test('the gatekeeper’s login is enough, and what was left out is said', async (t) => {
    const { urls, superuser } = await testDatabase(t)
    await superuser.query(
      `insert into partywall.databases (name, server_name, database_name, holds, state) values ('pw_more', 'main', 'pw_more', 'schema', 'ready')`,
    )
    const gatekeeper = new ControlPool({ connectionString: urls.gatekeeper, applicationName: 'test-doctor' })
    try {
      const events = await Array.fromAsync(runDoctor(catalogTasks(gatekeeper, both), { checks: both, atOnce: 1 }))
      assert.deepEqual(
        events.flatMap((event) => (event.kind === 'looked' ? [event.at.database] : [])),
        [null, 'main'],
      )
      assert.deepEqual(
        findings(events).filter(({ check }) => check === 'check-failed'),
        [],
      )
      assert.deepEqual(
        unseen(events).map(({ kind, what }) => [kind, what]),
        [['limit', '1 other database of the catalog']],
      )
    } finally {
      await gatekeeper.close()
    }
  })

  test('a database that is not there is a gap, not a failure', async () => {
    const gatekeeper = new ControlPool({ connectionString: 'postgres://a:b@127.0.0.1:1/x', applicationName: 'test-doctor' })
    try {
      const events = await Array.fromAsync(runDoctor(catalogTasks(gatekeeper, both), { checks: both, atOnce: 1 }))
      assert.deepEqual(
        unseen(events).map(({ kind, at }) => [kind, at.database]),
        [
          ['gap', null],
          ['gap', 'main'],
        ],
      )
    } finally {
      await gatekeeper.close()
    }
  })

  test('a check that there is not is refused before anything is opened', () => {
    const gatekeeper = new ControlPool({ connectionString: 'postgres://a:b@127.0.0.1:1/x', applicationName: 'test-doctor' })
    assert.throws(() => examineCatalog(gatekeeper, { checks: [allChecks[0]!.stem, 'no-such-check'] }), ConfigurationError)
  })
})

function findings(events: readonly DoctorEvent[]) {
  return events.flatMap((event) => (event.kind === 'finding' ? [event.finding] : []))
}

function unseen(events: readonly DoctorEvent[]) {
  return events.flatMap((event) => (event.kind === 'unseen' ? [event.unseen] : []))
}
