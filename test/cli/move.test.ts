// Moves from the command line, on a fleet: there, back, and many at once.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type CliFleet, cliFleet } from '../support/cli-fleet.ts'

interface Told {
  readonly id: string
  readonly tenant: string
  readonly state: string
  readonly serving: string
  readonly pauseMs?: number
  readonly next: readonly string[]
  readonly options: Readonly<Record<string, unknown>>
}

interface Line {
  readonly kind?: string
  readonly state?: string
  readonly slug?: string
  readonly tenant?: string
  readonly why?: string
  readonly moveId?: string
  readonly there?: number
}

describe('moves on the command line', () => {
  let cli: CliFleet
  const isolationOf = async (slug: string) =>
    (await cli.json<{ placement: { isolation: string } }>('tenant', 'show', slug)).placement.isolation
  const status = (slug: string) => cli.json<Told>('move', 'status', slug)

  before(async () => {
    cli = await cliFleet()
    const adopted = await cli.runOver({ env: { ...cli.env, PARTYWALL_SERVER_URL: cli.catalog.urls.superuser } }, 'server', 'adopt-main')
    assert.equal(adopted.code, 0, adopted.err)
    await cli.json('database', 'create', `${cli.catalog.name}_schemas`, '--server', 'main')
    for (const slug of ['acme', 'globex', 'hooli', 'initech']) await cli.json('tenant', 'create', slug)
  })

  after(async () => {
    await cli.strike()
  })

  test('what is called wrongly is refused before anything is begun', async () => {
    for (const [words, says] of [
      [['start', 'acme', '--to', 'schema'], /required option '--reason/],
      [['start', 'acme', '--reason', 'x'], /required option '--to/],
      [['start', 'acme', '--to', 'moon', '--reason', 'x'], /Allowed choices are pooled, schema, database, server/],
      [['start', 'acme', '--to', 'schema', '--reason', 'x', '--soak', '1h'], /give --auto too/],
      [['start', 'acme', '--to', 'schema', '--reason', 'x', '--fence', '61s'], /250ms to 60s/],
      [['start', 'acme', '--to', 'schema', '--reason', 'x', '--fence', 'soon'], /write 30d, 12h/],
      [['start', 'acme', '--to', 'schema', '--reason', 'x', '--throttle', '0.9'], /a ratio above 1/],
      [['plan', '--to', 'schema'], /Say whom/],
      [['plan', '--to', 'schema', '--where', 'colour=red'], /write plan=…, region=…/],
      [['plan', '--to', 'schema', '--where', 'isolation=moon'], /it may be pooled/],
      [['plan', '--to', 'schema', '--where', 'plan=a', '--where', 'plan=b'], /names plan twice/],
      [['plan', '--to', 'schema', '--where', 'plan=free', '--execute'], /needs a --reason/],
      [['rebalance', '--execute'], /needs a --reason/],
      [['rebalance', '--servers', 'nowhere'], /no server nowhere/],
    ] as const) {
      const ran = await cli.run('move', ...words)
      assert.deepEqual([ran.code, ran.out], [2, []], words.join(' '))
      assert.match(ran.err, says)
    }
    const never = await cli.run('move', 'switch', 'acme')
    assert.equal(never.code, 1)
    assert.match(never.err, /was never moved/)
    assert.match((await cli.run('move', 'status', 'wonka')).err, /no tenant wonka/)
    assert.deepEqual(await cli.rows('move', 'list'), [])
  })

  test('a dry run says where to, and does nothing', async () => {
    const dry = await cli.run('move', 'start', 'acme', '--to', 'schema', '--reason', 'x', '--dry-run')
    assert.deepEqual([dry.code, dry.out], [0, ['acme: pooled on main → schema on main', 'Nothing stands in its way.']])
    assert.deepEqual(await cli.rows('move', 'list'), [])
  })

  test('what stands in the way is told with where it is and the SQL that mends it, by the dry run and by the start', async () => {
    const words = ['move', 'start', 'acme', '--to', 'schema', '--reason', 'x'] as const
    await cli.catalog.superuser.query(`create function app.nothing() returns trigger language plpgsql set search_path = '' as 'begin return new; end';
      create trigger nosy after insert on app.notes for each row execute function app.nothing(); alter table app.notes enable always trigger nosy`)
    const dry = await cli.run(...words, '--dry-run')
    const started = await cli.run(...words)
    const lines = (await cli.run(...words, '--json')).out.map((line) => JSON.parse(line))
    await cli.catalog.superuser.query('drop trigger nosy on app.notes; drop function app.nothing()')
    assert.deepEqual([dry.code, started.code, started.out], [1, 1, []])
    assert.match(
      dry.out.join('\n'),
      /^It would be refused\.\nrefuse always-triggers: .* at the source \(main, .*, as the owner\)\n {2}.*\n {4}alter table .*;$/m,
    )
    assert.match(started.err, /always-triggers: .*\n {4}alter table/)
    assert.deepEqual(
      lines.map(({ kind, rule }) => [kind, rule]),
      [['finding', 'always-triggers']],
    )
    assert.deepEqual(await cli.rows('move', 'list'), [])
  })

  test('there and back: each verb waits for what comes of it, and says what can be done next', async () => {
    const started = await cli.rows<Line & Told>(
      'move',
      'start',
      'acme',
      '--to',
      'schema',
      '--fence',
      '3s',
      '--throttle',
      'off',
      '--reason',
      'grown',
    )
    const states = started.filter(({ kind }) => kind === 'state').map(({ state }) => state)
    assert.deepEqual(states, ['copying', 'following'])
    const following = started.at(-1)!
    assert.deepEqual(
      [following.tenant, following.state, following.serving, following.next],
      ['acme', 'following', 'source', ['verify', 'switch', 'cancel']],
    )
    assert.deepEqual([following.options['fenceMs'], following.options['throttleRatio']], [3_000, 0])
    const refused = await cli.run('move', 'complete', 'acme')
    assert.equal(refused.code, 1)
    assert.match(refused.err, /cannot complete: the tenant is served at the source still/)

    const switched = await cli.run('move', 'switch', 'acme', '--reason', 'now')
    assert.equal(switched.code, 0, switched.err)
    assert.match(switched.out.join('\n'), /^acme: following, served at the target: schema on main$/m)
    assert.match(switched.out.join('\n'), /last pause +\d/)
    assert.match(switched.out.join('\n'), /partywall move reverse acme/)
    assert.match(switched.err, /acme: its writes paused for .* for the switch/)
    assert.equal(await isolationOf('acme'), 'schema')
    assert.equal((await status('acme')).serving, 'target')

    await cli.json('move', 'verify', 'acme')
    assert.equal((await cli.json<Told>('move', 'reverse', following.id)).serving, 'source')
    assert.equal(await isolationOf('acme'), 'pooled')
    assert.deepEqual(
      (await cli.rows<Told>('move', 'list', '--open')).map(({ tenant }) => tenant),
      ['acme'],
    )
    const cancelled = await cli.json<Told>('move', 'cancel', 'acme')
    assert.deepEqual([cancelled.state, cancelled.next], ['cancelled', []])
    assert.deepEqual(await cli.rows('move', 'list', '--open'), [])
    assert.equal((await cli.rows('move', 'list', '--tenant', 'acme', '--state', 'cancelled')).length, 1)
    assert.equal((await cli.run('move', 'status', 'acme', '--watch')).code, 0, 'a move that is over is not watched for ever')
  })

  test('rows that differ are named with their keys, end with 1, and are told by status with what to do', async () => {
    await cli.json('move', 'start', 'globex', '--to', 'database', '--reason', 'contract')
    const { id } = await status('globex')
    const { target } = await cli.json<{ target: { database: string } }>('move', 'status', id)
    await cli.fleet.connections.asAdministrator('main', (admin) => admin.query("update app.notes set body = 'forged'"), target.database)
    const ran = await cli.run('move', 'verify', 'globex')
    assert.equal(ran.code, 1)
    assert.match(ran.out.join('\n'), /^TABLE +ROWS AT SOURCE +ROWS AT TARGET +KEYS OF SOME\n(app\.)?notes +1 +1 +\S/)
    assert.match(ran.err, /PW_MOVE_DIFFERS/)
    const told = await cli.run('move', 'status', 'globex')
    assert.equal(told.code, 1)
    assert.match(told.out.join('\n'), /^What to do: The tenant is served at the source, whose rows are the true ones/m)
    await cli.json('move', 'cancel', 'globex', '--reason', 'forged')
    assert.equal(await isolationOf('globex'), 'pooled')
  })

  test('with --auto it is there when the command ends', async () => {
    const done = await cli.json<Told>('move', 'start', 'globex', '--to', 'database', '--auto', '--soak', '0s', '--reason', 'contract')
    assert.deepEqual([done.state, await isolationOf('globex')], ['done', 'database'])
  })

  test('a plan of many does nothing unless told, is carried out with one result each, and leaves out who is there', async () => {
    const words = ['move', 'plan', '--where', 'isolation=pooled', '--to', 'schema'] as const
    const dry = await cli.rows<Line>(...words)
    assert.deepEqual(
      dry.map(({ kind, slug }) => [kind, slug]),
      [
        ['planned', 'acme'],
        ['planned', 'hooli'],
        ['planned', 'initech'],
        ['plan', undefined],
      ],
    )
    assert.match(
      (await cli.run(...words)).out.join('\n'),
      /^3 to move, 0 there already, 0 not to be moved now: about .* with 2 at a time\.\nNothing was done: --execute does it\.$/m,
    )
    assert.equal(await isolationOf('acme'), 'pooled')
    // Of an earlier run that was interrupted, one has been copied.
    await cli.json('move', 'start', 'hooli', '--to', 'schema', '--reason', 'before')
    const lines = await cli.rows<Line>(...words, '--execute', '--soak', '0s', '--reason', 'new plan')
    assert.equal(lines.find(({ kind, slug }) => kind === 'planned' && slug === 'hooli')?.moveId, (await status('hooli')).id)
    const results = lines.filter(({ kind }) => kind === 'result')
    assert.deepEqual(results.map(({ tenant, state }) => [tenant, state]).sort(), [
      ['acme', 'done'],
      ['hooli', 'done'],
      ['initech', 'done'],
    ])
    for (const slug of ['acme', 'hooli', 'initech']) assert.equal(await isolationOf(slug), 'schema')
    const again = await cli.rows<Line>('move', 'plan', '--where', 'status=active', '--to', 'schema')
    assert.deepEqual(
      again.map(({ kind, slug, there }) => [kind, slug ?? there]),
      [
        ['planned', 'globex'],
        ['plan', 3],
      ],
    )
  })

  test('a rebalance of one server has nothing to do, and says how full it is; nothing is left to resume or to reap', async () => {
    const lines = await cli.rows<Line & { server?: string; before?: number; moves?: number }>('move', 'rebalance', '--by', 'tenants')
    assert.deepEqual(
      lines.map(({ kind, server, before, moves }) => [kind, server ?? moves, before]),
      [
        ['weight', 'main', 4],
        ['plan', 0, undefined],
      ],
    )
    assert.deepEqual(await cli.rows('move', 'resume'), [])
    assert.deepEqual(await cli.rows('move', 'reap'), [])
  })
})
