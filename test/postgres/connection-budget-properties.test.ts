// What holds of the connection budget whatever happens, in whatever order.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Connection } from '../../src/postgres/connection.ts'
import type { ConnectionPool } from '../../src/postgres/pool.ts'
import { down, stage } from '../support/budget-under-test.ts'
import { fake, turns } from '../support/fake-connections.ts'

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('take' as const), pool: fc.nat(5) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('give' as const), at: fc.nat(50) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('discard', 'break', 'abort', 'fail', 'answer', 'goodbye', 'drain', 'pass', 'turn', 'slow', 'quick'),
      at: fc.nat(50),
    }),
  },
)

test('whatever happens, permits are sockets: never more than the budget, none lost, and everybody is served or told', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), async (connectionsMax, steps) => {
      const { pool, server, budget, clock } = stage(connectionsMax)
      const pools = Array.from({ length: 6 }, (_, index) =>
        pool(`p${index}`, { connectionString: `postgres://app@s${index % 2}.test/p${index}` }),
      )
      const held: { pool: ConnectionPool; connection: Connection }[] = []
      const calls: { stop: AbortController; done: boolean }[] = []
      const take = (from: ConnectionPool) => {
        const call = { stop: new AbortController(), done: false }
        calls.push(call)
        from.take(call.stop.signal).then(
          (connection) => {
            call.done = true
            held.push({ pool: from, connection })
          },
          () => {
            call.done = true
          },
        )
      }
      const check = () => {
        assert.ok(server.openMax <= connectionsMax, `${server.openMax} sockets of ${connectionsMax}`)
        assert.equal(new Set(held.map(({ connection }) => connection)).size, held.length, 'one connection, one holder')
      }
      for (const each of steps) {
        const at = 'at' in each ? each.at : 0
        const one = each.kind === 'take' ? undefined : held[at % Math.max(held.length, 1)]
        if (each.kind === 'take') take(pools[each.pool]!)
        else if (each.kind === 'turn') await turns(2)
        else if (each.kind === 'pass') clock.advance(at * 10)
        else if (each.kind === 'slow') server.isSlow = true
        else if (each.kind === 'quick') server.isSlow = false
        else if (each.kind === 'answer') server.answer()
        else if (each.kind === 'fail') server.answer(down())
        else if (each.kind === 'goodbye') server.goodbye()
        else if (each.kind === 'drain') pools[at % 6]!.drain()
        else if (each.kind === 'abort') calls[at % Math.max(calls.length, 1)]?.stop.abort()
        else if (one !== undefined) {
          if (each.kind === 'break') fake(one.connection).break()
          held.splice(held.indexOf(one), 1)
          if (each.kind === 'discard') one.pool.discard(one.connection)
          else one.pool.give(one.connection)
        }
        check()
      }
      // All is well again: everybody who still waits is served, as those who are served give back.
      server.isSlow = false
      for (let round = 0; round < 200 && calls.some(({ done }) => !done); round += 1) {
        server.answer()
        server.goodbye()
        await turns(2)
        clock.advance(20)
        for (const one of held.splice(0)) one.pool.give(one.connection)
        check()
      }
      assert.deepEqual(
        calls.filter(({ done }) => !done),
        [],
      )
      for (const one of held.splice(0)) one.pool.give(one.connection)
      for (let round = 0; round < 20; round += 1) {
        server.answer()
        server.goodbye()
        await turns(1)
      }
      assert.equal(budget.stats().inUse, server.open, 'permits are sockets')
      for (const each of pools) each.close()
      await turns()
      const { inUse, closing, waiting, pools: left } = budget.stats()
      assert.deepEqual({ inUse, closing, waiting, left, open: server.open }, { inUse: 0, closing: 0, waiting: 0, left: 0, open: 0 })
    }),
    { numRuns: 300 },
  )
})

test('beside pools that never let go, every pool is served: nobody starves', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 2, max: 12 }), async (connectionsMax, count) => {
      const { pool, clock, server } = stage(connectionsMax)
      const served = new Array<number>(count).fill(0)
      let isOver = false
      // Each has a line of its own: whoever gives back takes again in the same turn.
      const work = async (index: number, each: ConnectionPool) => {
        while (!isOver) {
          const connection = each.takeIdle() ?? (await each.take())
          await turns(1)
          served[index]! += 1
          each.give(connection)
        }
        each.close()
      }
      const all = served.map((_, index) => work(index, pool(`p${index}`)))
      for (let turn = 0; turn < 1_500; turn += 1) {
        clock.advance(5)
        await turns(1)
      }
      isOver = true
      await Promise.all(all)
      const [least, most] = [Math.min(...served), Math.max(...served)]
      assert.ok(least > 0 && most <= least * 3, `${served.join(' ')}`)
      assert.ok(server.openMax <= connectionsMax)
    }),
    { numRuns: 10 },
  )
})
