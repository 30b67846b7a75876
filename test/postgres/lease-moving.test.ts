// What an application sees while its tenant is being switched from one place to another: latency, and no errors.

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { AbortedError, StatementTimeoutError, TenancyError, TenantBusyError, TenantMovingError } from '../../src/errors.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import type { TenancyOptions } from '../../src/tenancy-options.ts'
import { type Stage, stage } from '../support/cast.ts'
import { HandMover } from '../support/hand-mover.ts'
import { hasOwnDatabase } from '../support/isolation.ts'

const asBob = <T>(tenancy: Tenancy, fn: () => Promise<T>): Promise<T> => tenancy.run('bob', fn)
const visit = (tenancy: Tenancy, what: string, options = {}, slug = 'bob') =>
  tenancy.run(slug, () => tenancy.query('insert into visits (what) values ($1)', [what], options))

/** Until so many calls wait for tenants that are being moved: the fact itself is asked, again and again. */
async function untilWaiting(tenancy: Tenancy, count: number): Promise<void> {
  while (tenancy.stats().moves.waiting !== count) await new Promise((resolve) => setImmediate(resolve))
}

async function moving(t: TestContext, options: Partial<TenancyOptions> = {}): Promise<Stage & { mover: HandMover }> {
  const here = await stage(t, options)
  const mover = await HandMover.start(t, here, here.bob)
  return { ...here, mover }
}

describe('while its tenant is fenced', () => {
  test('a write waits, a read does not, and both places have it once', async (t) => {
    const { tenancy, mover } = await moving(t)
    await visit(tenancy, 'before')
    await mover.fenceOff()
    const written = visit(tenancy, 'during')
    await untilWaiting(tenancy, 1)
    const { rows } = await asBob(tenancy, () => tenancy.query('select what from visits'))
    assert.deepEqual(rows, [{ what: 'before' }])
    await mover.giveUp()
    assert.equal((await written).rowCount, 1)
    assert.deepEqual(await mover.visits(), { source: ['before', 'during'], target: [] })
    assert.deepEqual(tenancy.stats().moves, { waiting: 0, tenants: 0 })
  })

  test('50 writers of two tenants see latency and no errors across a fence of 50 ms; the other tenant sees neither', async (t) => {
    const { tenancy, mover, carol, aliceIn } = await moving(t, { pool: { connectionsMax: 2 } })
    await mover.fenceOff()
    const startedAt = performance.now()
    const bobs = Promise.all(Array.from({ length: 50 }, (_, i) => visit(tenancy, `bob ${i}`)))
    bobs.catch(() => {})
    await untilWaiting(tenancy, 50)
    // One looks for all of them, and none holds what carol needs.
    assert.equal(tenancy.stats().moves.tenants, 1)
    assert.equal(tenancy.stats().queue.inUse, 0)
    await Promise.all(Array.from({ length: 50 }, (_, i) => visit(tenancy, `carol ${i}`, {}, 'carol')))
    for (let i = 50; performance.now() - startedAt < 50; i++) await visit(tenancy, `carol ${i}`, {}, 'carol')
    assert.equal(tenancy.stats().moves.waiting, 50)
    await mover.giveUp()
    assert.ok((await bobs).every(({ rowCount }) => rowCount === 1))
    assert.equal((await mover.visits()).source.length, 50)
    const [count] = await aliceIn<{ count: number }>(carol, 'select count(*)::int as count from visits where tenant_id = $1', [carol.id])
    assert.ok(count!.count >= 50)
  })

  test('it waits no longer than the bound, and then says so', async (t) => {
    const { tenancy, mover, access } = await moving(t)
    await mover.fenceOff()
    for (const movingWaitMs of [0, 40]) {
      const impatient = await createTenancy({ ...access, movingWaitMs })
      t.after(() => impatient.close())
      await assert.rejects(visit(impatient, 'never'), TenantMovingError)
    }
    await assert.rejects(createTenancy({ ...access, movingWaitMs: 60_001 }), { code: 'PW_CONFIGURATION' })
    await mover.giveUp()
    await visit(tenancy, 'after')
    assert.deepEqual((await mover.visits()).source, ['after'])
  })

  test('the statement’s own timeout and signal end the wait', async (t) => {
    const { tenancy, mover } = await moving(t, { movingWaitMs: 60_000 })
    await mover.fenceOff()
    await assert.rejects(visit(tenancy, 'timed out', { timeoutMs: 30 }), TenantMovingError)
    const stop = new AbortController()
    const stopped = visit(tenancy, 'stopped', { signal: stop.signal })
    const tx = asBob(tenancy, () =>
      tenancy.transaction((inside) => inside.query(`insert into visits (what) values ('stopped too')`), { signal: stop.signal }),
    )
    await untilWaiting(tenancy, 2)
    stop.abort()
    await assert.rejects(stopped, AbortedError)
    await assert.rejects(tx, AbortedError)
    await mover.giveUp()
    assert.deepEqual((await mover.visits()).source, [])
  })

  test('no more calls of one tenant wait than may', async (t) => {
    const { tenancy, mover } = await moving(t, { admission: { tenantWaitingMax: 2 }, movingWaitMs: 60_000 })
    await mover.fenceOff()
    const patient = [visit(tenancy, '1'), visit(tenancy, '2')]
    await untilWaiting(tenancy, 2)
    await assert.rejects(visit(tenancy, '3'), TenantBusyError)
    await mover.giveUp()
    await Promise.all(patient)
  })

  test('a tenancy that closes lets nobody wait', async (t) => {
    const { mover, access } = await moving(t)
    const other = await createTenancy({ ...access, movingWaitMs: 60_000 })
    await mover.fenceOff()
    const written = visit(other, 'never')
    written.catch(() => {})
    await untilWaiting(other, 1)
    await other.close()
    await assert.rejects(written, { code: 'PW_CLOSED' })
  })

  test('a transaction waits with its first statement, and what was sent behind it follows it', async (t) => {
    const { tenancy, mover } = await moving(t, { pool: { connectionsMax: 1 } })
    await mover.fenceOff()
    const done = asBob(tenancy, () =>
      tenancy.transaction(async (tx) => {
        const first = tx.query(`insert into visits (what) values ('1')`)
        const second = tx.query(`insert into visits (what) select what || '2' from visits returning what`)
        await untilWaiting(tenancy, 1)
        // Called while the others wait: it is the last even so.
        const third = tx.query('select count(*)::int as count from visits')
        return (await Promise.all([first, second, third])).map(({ rows }) => rows)
      }),
    )
    await untilWaiting(tenancy, 1)
    assert.equal(tenancy.stats().queue.inUse, 0)
    await mover.giveUp()
    assert.deepEqual(await done, [[], [{ what: '12' }], [{ count: 2 }]])
    assert.deepEqual((await mover.visits()).source, ['1', '12'])
  })

  test('a later statement of a transaction is refused, and so is its COMMIT; all of it may be run again', async (t) => {
    const { tenancy, mover } = await moving(t)
    const seen: unknown[] = []
    const torn = asBob(tenancy, () =>
      tenancy.transaction(async (tx) => {
        await tx.query('select what from visits')
        await mover.fenceOff()
        await tx.query(`insert into visits (what) values ('late')`).catch((error: unknown) => seen.push(error))
      }),
    )
    await assert.rejects(torn, { code: 'PW_TRANSACTION_ABORTED' })
    assert.ok(seen[0] instanceof TenantMovingError && seen[0].retryable)
    await mover.giveUp()
    assert.deepEqual((await mover.visits()).source, [])
  })

  test('a transaction that gave up waiting does not commit what came after', async (t) => {
    const { mover, access } = await moving(t)
    const impatient = await createTenancy({ ...access, movingWaitMs: 30 })
    t.after(() => impatient.close())
    await mover.fenceOff()
    const torn = asBob(impatient, () =>
      impatient.transaction(async (tx) => {
        await tx.query(`insert into visits (what) values ('1')`).catch(() => {})
        await mover.giveUp()
        await assert.rejects(tx.query(`insert into visits (what) values ('2')`), TenantMovingError)
      }),
    )
    await assert.rejects(torn, { code: 'PW_TRANSACTION_ABORTED' })
    assert.deepEqual((await mover.visits()).source, [])
  })
})

describe('when its tenant has been switched', () => {
  test('whoever waited, and whoever comes with the old place in hand, goes to the new one', async (t) => {
    const { tenancy, mover } = await moving(t)
    await visit(tenancy, '1')
    await asBob(tenancy, async () => {
      await mover.fenceOff()
      const waiting = tenancy.query(`insert into visits (what) values ('2')`)
      await untilWaiting(tenancy, 1)
      await mover.commit()
      await mover.retire()
      const early = tenancy.query('select what from visits')
      await mover.open()
      await waiting
      assert.ok((await early).rowCount! >= 1)
      // This context was made before the switch.
      await tenancy.query(`insert into visits (what) values ('3')`)
      await tenancy.transaction((tx) => tx.query(`insert into visits (what) values ('4')`))
      const streamed: string[] = []
      for await (const { what } of tenancy.stream<{ what: string }>('select what from visits order by what')) streamed.push(what)
      assert.deepEqual(streamed, ['1', '2', '3', '4'])
    })
    assert.deepEqual(await mover.visits(), { source: ['1'], target: ['1', '2', '3', '4'] })
  })

  test('a capability for a person is issued by the new place, when it lets the tenant in', async (t) => {
    const { tenancy, mover } = await moving(t)
    await mover.fenceOff()
    await mover.commit()
    await mover.retire()
    const issued = tenancy.issueCapability('bob', { reason: 'A test looks with psql.' })
    await untilWaiting(tenancy, 1)
    await mover.open()
    const { handle } = await issued
    assert.equal((await mover.target.superuser.query('select from partywall.capabilities where capability = $1', [handle])).length, 1)
  })

  test('a context from before the switch is sent on once, and then goes there by itself', async (t) => {
    const { tenancy, mover, aliceIn, bob } = await moving(t)
    await asBob(tenancy, async () => {
      await tenancy.query('select what from visits')
      await mover.switch()
      await tenancy.query(`insert into visits (what) values ('1')`)
      // Whoever went to the old place now would be let in: nobody does.
      await aliceIn(bob, `select partywall.set_gate($1, 'open')`, [bob.id])
      await tenancy.query(`insert into visits (what) values ('2')`)
      await tenancy.transaction((tx) => tx.query(`insert into visits (what) values ('3')`))
    })
    assert.deepEqual(await mover.visits(), { source: [], target: ['1', '2', '3'] })
  })

  test('the capability of the old place is not what is bound in the new one', async (t) => {
    const { tenancy, mover, aliceIn, bob } = await moving(t)
    await visit(tenancy, '1')
    await mover.switch()
    await visit(tenancy, '2')
    const { rows } = await asBob(tenancy, () =>
      tenancy.query<{ bound: string }>(`select current_setting('partywall.capability') as bound from visits limit 1`),
    )
    const known = 'select from partywall.capabilities where capability = $1 and tenant_id = $2'
    assert.equal((await mover.target.superuser.query(known, [rows[0]!.bound, bob.id])).length, 1)
    assert.equal((await aliceIn(bob, known, [rows[0]!.bound, bob.id])).length, 0)
  })

  for (const isGone of [true, false]) {
    test(`a place that ${isGone ? 'was purged' : 'has no gate any more'} sends it to the new one`, async (t) => {
      const { tenancy, mover } = await moving(t)
      await visit(tenancy, '1')
      await asBob(tenancy, async () => {
        await mover.switch()
        await (isGone ? mover.purge() : mover.forgetGate())
        await tenancy.query(`insert into visits (what) values ('2')`)
        await tenancy.transaction((tx) => tx.query(`insert into visits (what) values ('3')`))
      })
      assert.deepEqual(await mover.visits(), { source: isGone ? [] : ['1'], target: ['1', '2', '3'] })
    })
  }

  test('a process that knew nothing asks for a capability at the old place, and is sent on', async (t) => {
    const { mover, access } = await moving(t)
    const other = await createTenancy(access)
    t.after(() => other.close())
    await asBob(other, async () => {
      await mover.switch()
      await other.query(`insert into visits (what) values ('1')`)
    })
    assert.deepEqual(await mover.visits(), { source: [], target: ['1'] })
  })

  test('a transaction that is open at the old place ends there: nothing it writes is kept', async (t) => {
    const { tenancy, mover } = await moving(t)
    const torn = asBob(tenancy, () =>
      tenancy.transaction(async (tx) => {
        await tx.query('select what from visits')
        await mover.switch()
        await tx.query('select what from visits')
      }),
    )
    await assert.rejects(torn, TenantMovingError)
    await visit(tenancy, 'again')
    assert.deepEqual(await mover.visits(), { source: [], target: ['again'] })
  })

  test('connections to a database of its own that nobody needs are closed', { skip: !hasOwnDatabase }, async (t) => {
    const { tenancy, mover, aliceIn, bob } = await moving(t)
    await visit(tenancy, '1')
    await mover.switch()
    await visit(tenancy, '2')
    const open = `select from pg_stat_activity where datname = current_database() and application_name = 'partywall'`
    while ((await aliceIn(bob, open)).length > 0);
  })
})

describe('a fence whose mover is dead', () => {
  test('is given up by whoever waits, after its deadline and not before', async (t) => {
    const { tenancy, mover } = await moving(t)
    await visit(tenancy, 'before')
    await mover.fenceOff(300)
    assert.equal((await mover.gate()).isAfterDeadline, false)
    await Promise.all(Array.from({ length: 5 }, (_, i) => visit(tenancy, `during ${i}`)))
    assert.deepEqual(await mover.gate(), { state: 'moving', isAfterDeadline: true })
    assert.equal(await mover.state(), 'following')
    // The fence that was given up comes too late.
    assert.equal(await mover.close(), null)
  })

  test('and was committed before that is not given up: the tenant is elsewhere', async (t) => {
    const { tenancy, mover } = await moving(t)
    await mover.fenceOff(60_000)
    const written = visit(tenancy, '1')
    await untilWaiting(tenancy, 1)
    await mover.commit()
    // Nobody retires the old place.
    await mover.open()
    await written
    assert.deepEqual([await mover.state(), (await mover.gate()).state], ['switched', 'fenced'])
    assert.deepEqual(await mover.visits(), { source: [], target: ['1'] })
  })

  test('and was only announced keeps nobody out for longer than its deadline', async (t) => {
    const { tenancy, mover } = await moving(t)
    await visit(tenancy, 'before')
    await mover.announce(200)
    await visit(tenancy, 'during')
    assert.deepEqual((await mover.visits()).source, ['before', 'during'])
    assert.equal(await mover.state(), 'following')
  })

  test('lets nobody read past its deadline where the tenant may not be any more', async (t) => {
    const { mover, access, database } = await moving(t)
    const impatient = await createTenancy({ ...access, movingWaitMs: 0 })
    t.after(() => impatient.close())
    const read = () => asBob(impatient, () => impatient.query('select what from visits'))
    await read()
    await mover.fenceOff(150)
    await read()
    const past = `select from partywall.moves where fence_until <= clock_timestamp()`
    while ((await database.superuser.query(past)).length === 0);
    await assert.rejects(read(), TenantMovingError)
  })
})

describe('a transaction that is ended from outside', () => {
  test('before its COMMIT was not committed, and may be run again', async (t) => {
    const { tenancy, mover } = await moving(t)
    const idle = asBob(tenancy, () =>
      tenancy.transaction(async (tx) => {
        await tx.query(`insert into visits (what) values ('idle')`)
        assert.equal(await mover.terminate(), 1)
        await tx.query('select 1')
      }),
    )
    await assert.rejects(idle, isRetryable)
    const busy = asBob(tenancy, () =>
      tenancy.transaction(async (tx) => {
        await tx.query(`insert into visits (what) select 'busy' from pg_sleep(60)`)
      }),
    )
    await endAll(mover, busy)
    await assert.rejects(busy, isRetryable)
    const single = asBob(tenancy, () => tenancy.query(`insert into visits (what) select 'single' from pg_sleep(60)`))
    await endAll(mover, single)
    await assert.rejects(single, isRetryable)
    assert.deepEqual((await mover.visits()).source, [])
  })

  test('in its COMMIT may have been committed', async (t) => {
    const here = await moving(t)
    const { tenancy, mover } = here
    await here.migrate(`
      create function linger() returns trigger language plpgsql as 'begin perform pg_sleep(60); return null; end';
      create constraint trigger visits_linger after insert on visits deferrable initially deferred for each row execute function linger()`)
    const torn = asBob(tenancy, () => tenancy.transaction((tx) => tx.query(`insert into visits (what) values ('unknown')`)))
    torn.catch(() => {})
    const lingers = `select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`
    while ((await here.aliceIn(here.bob, lingers)).length === 0);
    assert.equal(await mover.terminate(), 1)
    await assert.rejects(torn, { code: 'PW_CONNECTION_LOST', retryable: false })
  })

  test('while it is read in pieces ends so that it may be read again', async (t) => {
    const { tenancy, mover } = await moving(t)
    for (const what of ['1', '2', '3']) await visit(tenancy, what)
    const read: string[] = []
    const torn = asBob(tenancy, async () => {
      for await (const { what } of tenancy.stream<{ what: string }>('select what from visits order by what', [], { batchSize: 1 })) {
        read.push(what)
        if (read.length === 1) await mover.terminate()
      }
    })
    await assert.rejects(torn, isRetryable)
    assert.deepEqual(read, ['1'])
  })
})

test('a transaction whose first statement was done does not begin again for the sake of another sent beside it', async (t) => {
  const { tenancy, mover, migrate } = await moving(t, { pool: { connectionsMax: 1 } })
  const stale = () => asBob(tenancy, () => tenancy.query('select * from visits'))
  for (let i = 0; i < 7; i++) await stale()
  await migrate(`alter table visits add column note text`)
  const both = asBob(tenancy, () =>
    tenancy.transaction((tx) => Promise.all([tx.query(`insert into visits (what) values ('1')`), tx.query('select * from visits')])),
  )
  const outcome = await both.then(
    () => 'committed',
    () => 'failed',
  )
  assert.deepEqual((await mover.visits()).source, outcome === 'committed' ? ['1'] : [])
})

/** As a mover does whom somebody stands in the way of: until it is over. One who was ended a moment ago may be seen still. */
async function endAll(mover: HandMover, work: Promise<unknown>): Promise<void> {
  let isOver = false
  void work
    .catch(() => {})
    .finally(() => {
      isOver = true
    })
  while (!isOver) await mover.terminate()
}

function isRetryable(error: unknown): boolean {
  return (
    error instanceof TenancyError && !(error instanceof StatementTimeoutError) && error.code === 'PW_CONNECTION_LOST' && error.retryable
  )
}
