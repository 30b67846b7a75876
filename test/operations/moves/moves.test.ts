// Moves between real servers, while the tenant is served.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Move } from '../../../src/core/move.ts'
import { type Isolation, isolations } from '../../../src/core/placement.ts'
import {
  InvalidInputError,
  MoveDiffersError,
  MoveFailedError,
  MoveNotFoundError,
  MoveStateError,
  OperationInProgressError,
  TenancyError,
  TenantSuspendedError,
} from '../../../src/errors.ts'
import type { MoveEvent } from '../../../src/operations/moves/move-event.ts'
import { ControlPool } from '../../../src/postgres/control-pool.ts'
import { arrive } from '../../../src/postgres/moves/arrive.ts'
import { type MoveStage, moveStage } from '../../support/move-stage.ts'

const reason = 'Contract 4711.'

describe('moves', () => {
  let stage: MoveStage

  before(async () => {
    stage = await moveStage()
    await stage.tenant('carol', 'pooled', 20)
  })
  after(async () => await stage?.strike())

  const pairs = isolations.flatMap((from) => isolations.filter((to) => to !== from).map((to) => [from, to] as const))
  for (const [from, to] of pairs) {
    test(`a tenant who writes goes from ${from} to ${to}, back, and there for good, and nothing is lost`, async () => {
      const slug = `from-${from}-to-${to}`
      await stage.tenant(slug, from, 200)
      const move = await stage.fleet.moves.start(slug, { to }, { reason })
      assert.deepEqual([move.state, move.serving, move.source.isolation, move.target.isolation], ['following', 'source', from, to])
      const writer = new Writer(stage, slug)
      assert.equal((await stage.fleet.moves.verify(slug)).problem, undefined)
      await writer.has(20)
      const switched = await stage.fleet.moves.switch(slug)
      assert.deepEqual([switched.state, switched.serving, switched.problem], ['following', 'target', undefined])
      assert.ok(switched.pauseMs !== undefined && switched.verifiedAt !== undefined)
      await writer.has(20)
      assert.equal((await stage.fleet.moves.reverse(slug)).serving, 'source')
      await writer.has(20)
      assert.equal((await stage.fleet.moves.switch(slug)).serving, 'target')
      await writer.has(20)
      await writer.stop()
      assert.equal((await stage.fleet.moves.complete(slug)).state, 'done')

      const titles = await stage.titles(slug)
      assert.equal(titles.length, 200 + writer.acknowledged.length)
      assert.deepEqual(
        writer.acknowledged.filter((title) => titles.filter((each) => each === title).length !== 1),
        [],
      )
      const tenant = (await stage.fleet.catalog.find({ kind: 'slug', slug: slug as never }))!
      assert.equal(tenant.placement.isolation, to)
      assert.deepEqual(await stage.fleet.placements.for(to).verify(tenant), [])
      const { database, schema } = move.source
      if (from === 'pooled')
        assert.deepEqual(await stage.alice(database, 'select from app.documents where tenant_id = $1', [tenant.id]), [])
      else if (from === 'schema') assert.deepEqual(await stage.alice(database, 'select from pg_namespace where nspname = $1', [schema]), [])
      else assert.deepEqual(await stage.catalog.superuser.query('select from pg_database where datname = $1', [database]), [])
      assert.deepEqual(await stage.leftovers(), [])
      assert.equal(await stage.count('carol'), 20)
      // The shelf has one server.
      await stage.fleet.tenants.offboard(slug, { reason, now: true })
    })
  }

  test('what cannot be asked now is refused with what can be', async () => {
    await stage.tenant('frank', 'pooled', 3)
    await assert.rejects(stage.fleet.moves.start('frank', { to: 'database' }), InvalidInputError)
    await assert.rejects(stage.fleet.moves.start('frank', { to: 'moon' as Isolation }, { reason }), InvalidInputError)
    await assert.rejects(stage.fleet.moves.start('frank', { to: 'database', fenceMs: 1 }, { reason }), InvalidInputError)
    await assert.rejects(stage.fleet.moves.status('frank'), MoveNotFoundError)
    await stage.fleet.moves.start('frank', { to: 'database' }, { reason })
    await assert.rejects(stage.fleet.moves.start('frank', { to: 'database' }, { reason }), OperationInProgressError)
    await assert.rejects(
      stage.fleet.moves.reverse('frank'),
      (error) => error instanceof MoveStateError && /Cancel the move/.test(error.message),
    )
    await assert.rejects(stage.fleet.moves.complete('frank'), MoveStateError)
    await assert.rejects(stage.fleet.tenants.offboard('frank', { reason, now: true }), OperationInProgressError)
    assert.deepEqual((await stage.fleet.moves.status('frank')).next, ['verify', 'switch', 'cancel'])
    await stage.fleet.moves.switch('frank')
    await assert.rejects(stage.fleet.moves.cancel('frank'), MoveStateError)
    await stage.fleet.moves.reverse('frank')
    assert.equal((await stage.fleet.moves.cancel('frank')).state, 'cancelled')
    await assert.rejects(stage.fleet.moves.switch('frank'), MoveStateError)
    assert.deepEqual(await stage.leftovers(), [])
    assert.equal(await stage.count('frank'), 3)
  })

  test('the switch itself opens no gate: who is let in before the other place is shut reads there what is old', async () => {
    await stage.tenant('bert', 'database', 3)
    const move = await stage.fleet.moves.start('bert', { to: 'pooled' }, { reason })
    // As the switch does it, and no more: in a transaction that is taken back.
    await stage.catalog.superuser.transaction(async (connection) => {
      await arrive(connection, move.tenantId, move.target)
      const [gate] = await connection.query<{ state: string }>('select g.state from partywall.gates as g where g.tenant_id = $1', [
        move.tenantId,
      ])
      assert.equal(gate?.state, 'moved')
      await connection.query('rollback')
      await connection.query('begin')
    })
    await stage.fleet.moves.cancel('bert')
  })

  test('a tenant without a row moves', async () => {
    await stage.tenant('empty', 'pooled', 0)
    const done = await stage.fleet.moves.start('empty', { to: 'database', auto: true, soakMs: 0 }, { reason })
    assert.equal(done.state, 'done')
    assert.equal(await stage.count('empty'), 0)
    assert.deepEqual(await stage.leftovers(), [])
  })

  test('a row that differs is found with its key, and neither is the tenant switched nor what it came from removed', async () => {
    const tenant = await stage.tenant('greta', 'pooled', 50)
    const move = await stage.fleet.moves.start('greta', { to: 'database' }, { reason })
    const [row] = await stage.alice<{ id: string }>(
      move.target.database,
      `update app.documents set title = 'forged' where id = (select id from app.documents order by id limit 1) returning id`,
    )
    const differs = (error: unknown): boolean =>
      error instanceof MoveDiffersError && JSON.stringify(error.details['differences']).includes(row!.id)
    await assert.rejects(stage.fleet.moves.verify('greta'), differs)
    await assert.rejects(stage.fleet.moves.switch('greta'), differs)
    assert.equal((await stage.fleet.moves.status('greta')).move.serving, 'source')
    await stage.insert('greta', 'still served')
    await stage.fleet.moves.cancel('greta')
    assert.equal(await stage.count('greta'), 51)
    assert.deepEqual(await stage.alice('main', 'select from app.documents where tenant_id = $1 and title = $2', [tenant.id, 'forged']), [])
  })

  test('rows of others are not applied at the target, even when the filter at the source is gone', async () => {
    await stage.tenant('heidi', 'database', 5)
    const move = await stage.fleet.moves.start('heidi', { to: 'pooled' }, { reason })
    const name = `pw_mv_${move.id.replaceAll('-', '')}`
    await stage.alice(move.source.database, `alter publication ${name} set table app.documents, app.users, partywall.move_markers`)
    const carol = (await stage.fleet.catalog.find({ kind: 'slug', slug: 'carol' as never }))!
    // A row of carol's at the source, past every policy: as a bug of an operator would leave it.
    await stage.alice(move.source.database, `insert into app.documents (tenant_id, title) values ($1, 'smuggled')`, [carol.id])
    await assert.rejects(
      stage.fleet.moves.switch('heidi'),
      (error) => error instanceof MoveFailedError || error instanceof MoveDiffersError,
    )
    assert.equal(await stage.count('carol'), 20)
    assert.deepEqual(await stage.alice('main', `select from app.documents where title = 'smuggled'`), [])
    await stage.fleet.moves.cancel('heidi')
    assert.equal(await stage.count('heidi'), 5)
  })

  test('a tenant who is suspended while it moves stays suspended where it arrives', async () => {
    await stage.tenant('ivan', 'pooled', 5)
    await stage.fleet.moves.start('ivan', { to: 'database' }, { reason })
    await stage.fleet.tenants.suspend('ivan', { reason: 'Unpaid.' })
    const switched = await stage.fleet.moves.switch('ivan')
    assert.equal(switched.serving, 'target')
    await assert.rejects(stage.count('ivan'), TenantSuspendedError)
    await stage.fleet.tenants.resume('ivan', { reason: 'Paid.' })
    // The application hears of it a moment later.
    await until(async () => (await stage.count('ivan').catch(() => -1)) === 5)
    await stage.insert('ivan', 'written where it arrived')
    // Resumed while it moves: its writes can still be waited for.
    assert.equal((await stage.fleet.moves.reverse('ivan')).serving, 'source')
    assert.equal(await stage.count('ivan'), 6)
    await stage.fleet.moves.cancel('ivan')
    assert.equal(await stage.count('ivan'), 6)
  })

  test('a transaction that does not end is ended, with an error that says to try again', async () => {
    await stage.tenant('judy', 'pooled', 1)
    await stage.fleet.moves.start('judy', { to: 'database', drainMs: 100 }, { reason })
    const began = Promise.withResolvers<void>()
    const mayEnd = Promise.withResolvers<void>()
    const long = stage.tenancy.run('judy', () =>
      stage.tenancy.transaction(async (tx) => {
        await tx.query('insert into documents (title) values ($1)', ['too long'])
        began.resolve()
        await mayEnd.promise
        await tx.query('insert into documents (title) values ($1)', ['too late'])
      }),
    )
    const outcome = long.then(
      () => undefined,
      (error: unknown) => error,
    )
    await began.promise
    const events: MoveEvent[] = []
    // It was verified before, so that one fence is enough.
    const switched = await stage.fleet.moves.switch('judy', { onProgress: (event) => events.push(event) })
    mayEnd.resolve()
    assert.equal(switched.serving, 'target')
    const error = await outcome
    assert.ok(error instanceof TenancyError && error.retryable, String(error))
    assert.ok(events.some((event) => event.kind === 'pause' && event.ended === 1))
    assert.equal(await stage.count('judy'), 1)
    await stage.fleet.moves.complete('judy')
  })

  test('passwords may be rotated in the middle', async () => {
    await stage.tenant('mallory', 'pooled', 4)
    await stage.fleet.moves.start('mallory', { to: 'server' }, { reason })
    const admin = new ControlPool({ connectionString: stage.second.superuserUrl, applicationName: 'alice', connectionsMax: 1 })
    await admin.query(`alter role partywall_migrator password 'rotated'`)
    await stage.secrets.put('server/shelf/migrator', 'rotated')
    await admin.query(`select pg_terminate_backend(a.pid) from pg_stat_activity as a where a.usename = 'partywall_migrator'`)
    await admin.close()
    assert.equal((await stage.fleet.moves.switch('mallory')).serving, 'target')
    assert.equal(await stage.count('mallory'), 4)
    assert.equal((await stage.fleet.moves.complete('mallory')).state, 'done')
    await stage.fleet.tenants.offboard('mallory', { reason, now: true })
  })

  test('a commit that comes too late is tried a few times, and then left with the reason; the tenant writes on', async () => {
    await stage.tenant('lea', 'pooled', 10)
    const { superuser } = stage.catalog
    await stage.fleet.moves.start('lea', { to: 'database' }, { reason })
    // No commit comes in time: it finds the fence past its deadline, and changes nothing.
    await superuser.query(`
      create table partywall.late (at timestamptz);
      create function partywall.too_late() returns trigger language plpgsql security definer as
        'begin insert into partywall.late values (clock_timestamp()); return null; end';
      create trigger too_late before update on partywall.moves for each row when (old.state = 'fencing' and new.state = 'switched')
        execute function partywall.too_late()`)
    await assert.rejects(
      stage.fleet.moves.switch('lea'),
      (error) => error instanceof MoveFailedError && /past its deadline before the switch could be committed/.test(error.message),
    )
    const late = await superuser.query('select from partywall.late')
    assert.equal(late.length, 4)
    await superuser.query('drop trigger too_late on partywall.moves; drop function partywall.too_late(); drop table partywall.late')
    const { move: left } = await stage.fleet.moves.status('lea')
    assert.deepEqual([left.state, left.serving, left.wish, left.problem?.code], ['following', 'source', undefined, 'PW_MOVE_FAILED'])
    await stage.insert('lea', 'written after it')
    assert.equal((await stage.fleet.moves.switch('lea')).serving, 'target')
    assert.equal((await stage.fleet.moves.complete('lea')).state, 'done')
    assert.ok((await stage.titles('lea')).includes('written after it'))
  })

  test('a commit that fails is tried a few times, and then left with the reason; no connection is left behind', async () => {
    await stage.tenant('lou', 'pooled', 10)
    const { superuser } = stage.catalog
    await stage.fleet.moves.start('lou', { to: 'database' }, { reason })
    await stage.fleet.moves.verify('lou')
    const connections = async () =>
      (
        await superuser.query(
          `select from pg_catalog.pg_stat_activity as a where starts_with(a.usename, 'pw_tr_') and a.datname = current_database()`,
        )
      ).length
    const before = await connections()
    await superuser.query(`
      create function partywall.broken() returns trigger language plpgsql as 'begin raise exception ''no commit''; end';
      create trigger broken before update on partywall.moves for each row when (old.state = 'fencing' and new.state = 'switched')
        execute function partywall.broken()`)
    await assert.rejects(stage.fleet.moves.switch('lou'), (error) => error instanceof MoveFailedError && /no commit/.test(error.message))
    await superuser.query('drop trigger broken on partywall.moves; drop function partywall.broken()')
    const { move: left } = await stage.fleet.moves.status('lou')
    assert.deepEqual([left.state, left.serving, left.wish], ['following', 'source', undefined])
    assert.ok((await connections()) <= before)
    await stage.insert('lou', 'written after it')
    assert.equal((await stage.fleet.moves.switch('lou')).serving, 'target')
    assert.equal((await stage.fleet.moves.complete('lou')).state, 'done')
    assert.ok((await stage.titles('lou')).includes('written after it'))
  })

  test('a place that does not catch up is not waited for: the fence is given up, and the tenant writes on', async () => {
    await stage.tenant('kim', 'pooled', 5)
    const move = await stage.fleet.moves.start('kim', { to: 'database', fenceMs: 300 }, { reason })
    const subscription = `pw_mv_${move.id.replaceAll('-', '')}_1`
    await stage.alice(move.target.database, `alter subscription ${subscription} disable`)
    await assert.rejects(stage.fleet.moves.switch('kim'), (error) => error instanceof MoveFailedError && /catch up/.test(error.message))
    await stage.insert('kim', 'written after the fence')
    assert.equal((await stage.fleet.moves.status('kim')).move.serving, 'source')
    await stage.alice(move.target.database, `alter subscription ${subscription} enable`)
    assert.equal((await stage.fleet.moves.switch('kim')).serving, 'target')
    assert.equal(await stage.count('kim'), 6)
    await stage.fleet.moves.complete('kim')
  })

  test('a move whose process is gone is taken up by another, and a verb of one is done by the other', async () => {
    await stage.tenant('leo', 'pooled', 100)
    const other = await stage.anotherFleet()
    const stop = new AbortController()
    const standby = other.moves.keep({ signal: stop.signal })
    try {
      const seen: Move['state'][] = []
      const aborted = new AbortController()
      const started = stage.fleet.moves.start(
        'leo',
        { to: 'database' },
        {
          reason,
          signal: aborted.signal,
          onProgress: (event) => {
            if (event.kind !== 'state') return
            seen.push(event.state)
            if (event.state === 'copying') aborted.abort()
          },
        },
      )
      await started.catch(() => {})
      await until(async () => (await stage.fleet.moves.status('leo')).move.state === 'following')
      assert.equal((await stage.fleet.moves.switch('leo')).serving, 'target')
      assert.equal((await stage.fleet.moves.complete('leo')).state, 'done')
      assert.equal(await stage.count('leo'), 100)
    } finally {
      stop.abort()
      await standby
      await other.close()
    }
  })
})

/** Writes without a pause, and remembers what was acknowledged. */
class Writer {
  readonly acknowledged: string[] = []
  readonly #stage: MoveStage
  readonly #slug: string
  readonly #writing: Promise<void>
  #isStopped = false

  constructor(stage: MoveStage, slug: string) {
    this.#stage = stage
    this.#slug = slug
    this.#writing = this.#write()
  }

  /** So many more are acknowledged. */
  async has(more: number): Promise<void> {
    const until = this.acknowledged.length + more
    while (this.acknowledged.length < until) await new Promise((resolve) => setImmediate(resolve))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#writing
  }

  async #write(): Promise<void> {
    for (let i = 0; !this.#isStopped; i++) {
      const title = `written ${i}`
      try {
        await this.#stage.insert(this.#slug, title)
        this.acknowledged.push(title)
      } catch (error) {
        if (!(error instanceof TenancyError && error.retryable)) throw error
      }
    }
  }
}

async function until(fact: () => Promise<boolean>): Promise<void> {
  while (!(await fact())) await new Promise((resolve) => setTimeout(resolve, 20))
}
