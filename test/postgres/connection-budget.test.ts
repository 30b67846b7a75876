// Who gets a connection when there are fewer than wanted: rules that are seen best without a server.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  AbortedError,
  AdmissionTimeoutError,
  ClosedError,
  ConfigurationError,
  OverloadedError,
  type TenancyError,
} from '../../src/errors.ts'
import { ConnectionBudget } from '../../src/postgres/connection-budget.ts'
import { down, observe, stage, withTimers } from '../support/budget-under-test.ts'
import { FakeServer, fake, turns } from '../support/fake-connections.ts'
import { ManualClock } from '../support/manual-clock.ts'

describe('a budget', () => {
  test('that is spent takes the connection that has been idle for longest, of whichever pool', async () => {
    const { clock, pool, server, budget } = stage(3)
    const [a, b, c, d] = [pool('a'), pool('b'), pool('c'), pool('d')]
    for (const each of [b, a, c]) {
      clock.advance(1)
      each.give(await each.take())
    }
    const taken = await d.take()
    assert.equal(fake(taken).database, 'd')
    assert.deepEqual([a.size, b.size, c.size, d.size], [1, 0, 1, 1])
    assert.equal(server.openMax, 3)
    assert.equal(budget.stats().inUse, 3)
  })

  test('that many pools share keeps a few permits free: the next one need not wait for a goodbye', async () => {
    const { pool, server, budget } = stage(32)
    const crowd = Array.from({ length: 40 }, (_, index) => pool(`p${index}`))
    for (const each of crowd) {
      each.give(await each.take())
      await turns(2)
    }
    assert.equal(budget.stats().inUse, 30)
    server.isSlow = true
    const next = observe(pool('next').take())
    await turns()
    assert.deepEqual([server.pending, server.open], [1, 31], 'an attempt, and nothing that must be closed before it')
    assert.equal(next.error, undefined)
  })

  test('of one busy pool keeps none free', async () => {
    const { pool, budget } = stage(32)
    const [busy, other] = [pool('busy'), pool('other')]
    const held = await Promise.all(Array.from({ length: 31 }, () => busy.take()))
    for (const connection of held) busy.give(connection)
    await other.take()
    await turns()
    assert.deepEqual([busy.size, budget.stats().inUse], [31, 32])
  })

  test('counts a connection until its socket is closed', async () => {
    const { pool, server, budget } = stage(1)
    const [a, b] = [pool('a'), pool('b')]
    a.give(await a.take())
    server.isSlow = true
    const waiting = observe(b.take())
    await turns()
    assert.deepEqual([a.size, server.open, server.pending, budget.stats().inUse], [0, 1, 0, 1], 'closing, and still counted')
    server.goodbye()
    await turns()
    assert.equal(server.pending, 1)
    server.answer()
    await turns()
    assert.equal(fake(waiting.connection!).database, 'b')
    assert.equal(server.openMax, 1)
  })

  test('gives a connection that comes back to whoever of its own pool waits', async () => {
    const { pool, server } = stage(1)
    const a = pool('a')
    const first = await a.take()
    const waiting = [observe(a.take()), observe(a.take())]
    a.give(first)
    await turns()
    assert.equal(waiting[0]?.connection, first)
    assert.equal(waiting[1]?.connection, undefined)
    assert.equal(server.opened, 1)
  })

  test('takes from a pool that has more than its share, at once', async () => {
    const { pool } = stage(4)
    const [a, b] = [pool('a'), pool('b')]
    const held = [await a.take(), await a.take(), await a.take(), await a.take()]
    const own = observe(a.take())
    const [first, second, third] = [observe(b.take()), observe(b.take()), observe(b.take())]
    for (const connection of held.slice(0, 3)) {
      a.give(connection)
      await turns()
    }
    assert.ok(first.connection && second.connection, 'two of four are its share')
    assert.equal(third.connection, undefined)
    assert.equal(own.connection, held[2], 'and the other two stay where they are')
  })

  test('leaves a pool its one connection for a quantum, and no longer', async () => {
    const { pool, clock } = stage(1, { quantumMs: 50 })
    const [hot, cold] = [pool('hot'), pool('cold')]
    let connection = await hot.take()
    const waiting = observe(cold.take())
    const served = observe(hot.take())
    clock.advance(50)
    hot.give(connection)
    await turns()
    connection = served.connection!
    assert.ok(connection, 'its own line goes on')
    assert.equal(waiting.connection, undefined)
    const next = observe(hot.take())
    clock.advance(1)
    hot.give(connection)
    await turns()
    assert.ok(waiting.connection)
    assert.equal(next.connection, undefined)
    clock.advance(51)
    cold.give(waiting.connection)
    await turns()
    assert.equal(fake(next.connection!).database, 'hot')
  })

  test('leaves a connection that is taken again in the same turn, and takes one that is not', async () => {
    const { pool } = stage(1)
    const [hot, cold] = [pool('hot'), pool('cold')]
    const connection = await hot.take()
    const waiting = observe(cold.take())
    hot.give(connection)
    assert.equal(await Promise.resolve().then(() => hot.takeIdle()), connection)
    await turns()
    assert.equal(waiting.connection, undefined)
    hot.give(connection)
    await turns()
    assert.ok(waiting.connection)
  })

  test('serves a pool that has nothing before one that wants more', async () => {
    const { pool } = stage(2)
    const [a, b, c] = [pool('a'), pool('b'), pool('c')]
    const held = [await a.take(), await b.take()]
    const more = observe(b.take())
    await turns()
    const starving = observe(c.take())
    a.discard(held[0]!)
    await turns()
    assert.ok(starving.connection)
    assert.equal(more.connection, undefined)
  })

  test('opens one connection for a pool until its server has let it in', async () => {
    const { pool, server } = stage(8)
    const a = pool('a')
    server.isSlow = true
    const waiting = [observe(a.take()), observe(a.take()), observe(a.take())]
    await turns()
    assert.equal(server.pending, 1)
    server.answer()
    await turns()
    assert.ok(waiting[0]?.connection)
    assert.equal(server.pending, 2)
  })

  test('never waits for one pool to open on the way of another', async () => {
    const { pool, server } = stage(8)
    const good = new FakeServer()
    server.isSlow = true
    for (let index = 0; index < 3; index += 1) observe(pool(`slow${index}`).take())
    assert.ok(await pool('a', { open: good.connect, connectionString: 'postgres://app@other.test/a' }).take())
  })

  test('bounds who waits in number and in time, and lets whoever gives up go', async (t) => {
    const { pool, clock, budget } = stage(1, { waitersMax: 2, waitTimeoutMs: 1_000 })
    const [a, b] = [pool('a'), pool('b')]
    const held = await a.take()
    const pass = withTimers(t, clock)
    const stop = new AbortController()
    const waiting = [observe(b.take()), observe(b.take(stop.signal))]
    await assert.rejects(b.take(), (error: TenancyError) => {
      assert.ok(error instanceof OverloadedError)
      assert.deepEqual(error.details, { bound: 'waitersMax', value: 2 })
      return true
    })
    stop.abort(new Error('gone'))
    await turns()
    assert.ok(waiting[1]?.error instanceof AbortedError)
    await assert.rejects(b.take(stop.signal), AbortedError)
    pass(1_000)
    await turns()
    assert.ok(waiting[0]?.error instanceof AdmissionTimeoutError)
    assert.equal(budget.stats().waiting, 0)
    a.give(held)
    await turns()
    assert.deepEqual([a.size, b.size], [1, 0], 'nobody waits any more, so nothing is handed over')
  })

  test('refuses bounds that are none', () => {
    for (const wrong of [{ connectionsMax: 0 }, { waitersMax: -1 }, { waitTimeoutMs: 0.5 }, { quantumMs: Number.NaN }]) {
      assert.throws(() => new ConnectionBudget({ connectionsMax: 1, clock: new ManualClock(), ...wrong }), ConfigurationError)
    }
  })

  test('has one sweeper for all pools, which is gone when nothing is open', async (t) => {
    const { pool, clock, budget } = stage(4)
    const pass = withTimers(t, clock)
    const [a, b] = [pool('a', { idleTimeoutMs: 40_000 }), pool('b', { idleTimeoutMs: 100_000 })]
    for (const each of [a, b]) each.give(await each.take())
    pass(60_000)
    await turns()
    assert.deepEqual([a.size, b.size], [0, 1])
    pass(60_000)
    await turns()
    assert.deepEqual([b.size, budget.stats().pools], [0, 0])
  })
})

describe('a server that is down', () => {
  test('is tried once, then its callers are told at once, and a probe finds it again', async () => {
    const { pool, server, clock } = stage(8)
    const [a, b] = [pool('a'), pool('b')]
    server.refusal = down()
    const first = [observe(a.take()), observe(a.take()), observe(a.take())]
    await turns()
    for (const { error } of first) assert.equal(error?.code, 'PW_DATABASE_UNAVAILABLE')
    assert.equal(server.urls.length, 1)
    await assert.rejects(b.take(), { code: 'PW_DATABASE_UNAVAILABLE', cause: server.refusal })
    assert.equal(server.urls.length, 1, 'a pool of the same server believes it')
    clock.advance(250)
    server.isSlow = true
    const probe = observe(b.take())
    await turns()
    await assert.rejects(a.take(), { code: 'PW_DATABASE_UNAVAILABLE' })
    assert.equal(server.pending, 1)
    server.refusal = undefined
    server.isSlow = false
    server.answer()
    await turns()
    assert.ok(probe.connection)
    assert.ok(await a.take())
  })

  test('that says nothing has half of the budget at most, and gives way when others wait', async (t) => {
    const { pool, clock, server, budget } = stage(4)
    const silent = new FakeServer()
    silent.isSlow = true
    const [good, other] = [pool('good'), pool('other')]
    good.give(await good.take())
    const held = [await good.take(), await good.take()]
    for (const connection of held) good.give(connection)
    const pass = withTimers(t, clock)
    const lost = Array.from({ length: 6 }, (_, index) =>
      observe(pool(`dead${index}`, { open: silent.connect, connectionString: `postgres://app@silent.test/dead${index}` }).take()),
    )
    await turns()
    assert.equal(silent.pending, 2)
    assert.equal(good.size, 2, 'what was idle is left to those who are served')
    held[0] = good.takeIdle()!
    held[1] = good.takeIdle()!
    const waiting = observe(other.take())
    pass(900)
    await turns()
    assert.equal(waiting.connection, undefined)
    pass(300)
    await turns()
    assert.equal(fake(waiting.connection!).database, 'other')
    for (const { error } of lost) assert.equal(error?.code, 'PW_DATABASE_UNAVAILABLE')
    assert.equal(silent.pending, 0)
    assert.equal(budget.stats().inUse, server.open + silent.open)
  })

  test('a call that gives up does not keep the probe', async () => {
    const { pool, server, clock } = stage(1)
    const [a, b] = [pool('a'), pool('b', { connectionString: 'postgres://app@other.test/b' })]
    server.refusal = down()
    await assert.rejects(a.take(), { code: 'PW_DATABASE_UNAVAILABLE' })
    server.refusal = undefined
    const held = await b.take()
    clock.advance(250)
    const stop = new AbortController()
    const probe = observe(a.take(stop.signal))
    stop.abort()
    await turns()
    assert.ok(probe.error instanceof AbortedError)
    b.discard(held)
    assert.ok(await a.take())
  })
})

describe('a pool', () => {
  test('that is drained closes what it had, now or when it comes back, and goes on', async () => {
    const { pool, server } = stage(4)
    let asked = 0
    const a = pool('a', {
      connectionString: undefined,
      credentials: async () => ({ connectionString: `postgres://app@good.test/${['old', 'new'][asked++]}` }),
    })
    const [idle, busy] = [await a.take(), await a.take()]
    a.give(idle)
    server.isSlow = true
    const opening = [observe(a.take()), observe(a.take())]
    await turns()
    a.drain()
    server.isSlow = false
    server.answer()
    await turns()
    a.give(busy)
    for (const { connection } of opening) if (connection !== undefined) a.give(connection)
    await turns()
    const fresh = await a.take()
    assert.equal(fake(fresh).database, 'new')
    assert.deepEqual([...new Set(server.urls.map((url) => new URL(url).pathname))], ['/old', '/new'])
    a.give(fresh)
    await turns()
    assert.equal(a.size, server.open)
    assert.equal(a.takeIdle(), fresh)
  })

  test('that is closed refuses whoever waits, and its attempts give their permits back', async () => {
    const { pool, server, budget } = stage(2)
    const a = pool('a')
    server.isSlow = true
    const waiting = observe(a.take())
    await turns()
    a.close()
    await turns()
    assert.ok(waiting.error instanceof ClosedError)
    assert.equal(budget.stats().inUse, 0)
    assert.equal(server.open, 0)
    await assert.rejects(a.take(), ClosedError)
  })

  test('knows when it was last used', async () => {
    const { pool, clock } = stage(2)
    const a = pool('a')
    const connection = await a.take()
    clock.advance(5)
    assert.equal(a.lastUsedAt, 5)
    a.give(connection)
    clock.advance(5)
    assert.equal(a.lastUsedAt, 5)
  })

  test('whose secret store does not answer fails by name, then at once, and holds no permit', async (t) => {
    const { pool, clock, budget, server } = stage(1)
    let asked = 0
    const a = pool('a', {
      connectionString: undefined,
      credentials: () => {
        asked += 1
        return asked === 1 ? new Promise(() => {}) : Promise.resolve({ connectionString: 'postgres://app@good.test/a' })
      },
    })
    const pass = withTimers(t, clock)
    const waiting = observe(a.take())
    await turns()
    assert.equal(budget.stats().inUse, 0)
    pass(5_000)
    await turns()
    assert.equal(waiting.error?.code, 'PW_DATABASE_UNAVAILABLE')
    await assert.rejects(a.take(), { code: 'PW_DATABASE_UNAVAILABLE' })
    assert.equal(asked, 1)
    pass(250)
    assert.ok(await a.take())
    assert.equal(server.open, 1)
  })

  test('whose call gives up while its credentials are on trial lets the next one try', async () => {
    const { pool, clock } = stage(1)
    let asked = 0
    const a = pool('a', {
      connectionString: undefined,
      credentials: async () => {
        asked += 1
        if (asked === 1) throw new Error('sealed')
        return { connectionString: 'postgres://app@good.test/a' }
      },
    })
    await assert.rejects(a.take(), { code: 'PW_DATABASE_UNAVAILABLE' })
    clock.advance(250)
    const b = pool('b')
    const held = await b.take()
    const stop = new AbortController()
    const trial = observe(a.take(stop.signal))
    await turns()
    await assert.rejects(a.take(), { code: 'PW_DATABASE_UNAVAILABLE' })
    stop.abort()
    await turns()
    assert.ok(trial.error instanceof AbortedError)
    b.discard(held)
    assert.ok(await a.take())
  })

  test('takes a connection string or credentials', () => {
    const { pool } = stage(1)
    assert.throws(() => pool('a', { credentials: async () => ({ connectionString: '' }) }), ConfigurationError)
    assert.throws(() => pool('a', { connectionString: undefined }), ConfigurationError)
  })
})
