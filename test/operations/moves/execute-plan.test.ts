// A plan carried out: so many at a time, one result each, and gone on with after an interruption.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Move } from '../../../src/core/move.ts'
import { parseTenantId, type TenantId } from '../../../src/core/tenant.ts'
import { AbortedError, MoveRefusedError } from '../../../src/errors.ts'
import { type BulkMoves, type ExecuteOptions, executePlan } from '../../../src/operations/moves/execute-plan.ts'
import type { PlannedMove } from '../../../src/operations/moves/plan.ts'

const idOf = (n: number): TenantId => parseTenantId(`0198b5e0-0000-7000-8000-${String(n).padStart(12, '0')}`)
const planned = (n: number, moveId?: string): PlannedMove => ({
  tenantId: idOf(n),
  slug: `tenant-${n}`,
  from: { isolation: 'pooled', server: 'main', database: 'main', schema: 'app' },
  destination: { to: 'server', server: 'pg-2' },
  size: undefined,
  estimateMs: undefined,
  moveId,
})
const moveOf = (over: Partial<Move>): Move => ({ id: 'm', state: 'done', serving: 'target', options: {}, ...over }) as Move

/** Moves that end when the test says so. */
function stage(over: Partial<BulkMoves> = {}) {
  const asked: string[] = []
  const moves: BulkMoves = {
    start: async (ref, request) => {
      asked.push(`start ${ref.slice(-1)} ${request.to} ${request.server} auto ${request.auto} soak ${request.soakMs}`)
      return moveOf({ id: `move-${ref.slice(-1)}` })
    },
    status: async (ref) => ({ move: moveOf({ id: ref }) }),
    switch: async (ref) => moveOf({ id: ref }),
    complete: async (ref) => moveOf({ id: ref }),
    keep: async ({ signal }) => {
      asked.push('keep')
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      asked.push('kept')
    },
    ...over,
  }
  const run = (plans: readonly PlannedMove[], options: Partial<ExecuteOptions> = {}) =>
    executePlan(plans, {
      moves,
      actor: { kind: 'staff', id: 'ada' },
      reason: 'test',
      concurrency: 2,
      failuresMax: 3,
      options: { soakMs: 5 },
      ...options,
    })
  return { asked, run }
}

test('each is started on its own, as the plan says, and the results come in the plan’s order', async () => {
  const { asked, run } = stage()
  const results = await run([planned(1), planned(2), planned(3)])
  assert.deepEqual(
    results.map(({ slug, state }) => [slug, state]),
    [
      ['tenant-1', 'done'],
      ['tenant-2', 'done'],
      ['tenant-3', 'done'],
    ],
  )
  assert.deepEqual(
    asked,
    [1, 2, 3].map((n) => `start ${n} server pg-2 auto true soak 5`),
  )
})

test('never more than so many at a time', async () => {
  let [running, most] = [0, 0]
  const { run } = stage({
    start: async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running -= 1
      return moveOf({})
    },
  })
  await run(
    Array.from({ length: 9 }, (_, n) => planned(n)),
    { concurrency: 3 },
  )
  assert.equal(most, 3)
})

test('one that fails is told beside those that do not; after so many nothing more is begun', async () => {
  const refuse: BulkMoves['start'] = async (ref) => {
    if (Number(ref.slice(-1)) % 2 === 1) throw new MoveRefusedError('No.')
    return moveOf({})
  }
  const { run } = stage({ start: refuse })
  const all = Array.from({ length: 8 }, (_, n) => planned(n))
  const states = (results: Awaited<ReturnType<typeof run>>) => results.map(({ state }) => state[0]).join('')
  assert.equal(states(await run(all, { concurrency: 1, failuresMax: 10 })), 'dfdfdfdf')
  const halted = await run(all, { concurrency: 1, failuresMax: 2 })
  assert.equal(states(halted), 'dfdfllll')
  assert.equal(halted[1]?.error?.code, 'PW_MOVE_REFUSED')
  const broken = await stage({ start: async () => Promise.reject(new TypeError('x')) }).run([planned(1)])
  assert.equal(broken[0]?.error?.code, 'PW_INTERNAL')
})

test('whoever stops it leaves the rest, and what was begun is no failure', async () => {
  const stop = new AbortController()
  const { run } = stage({
    start: async () => {
      stop.abort()
      throw new AbortedError('Stopped.')
    },
  })
  const results = await run([planned(1), planned(2)], { signal: stop.signal, concurrency: 1 })
  assert.deepEqual(
    results.map(({ state }) => state),
    ['left', 'left'],
  )
})

test('an open move is gone on with to its end: switched and completed if it waits for somebody, and driven if nobody does', async () => {
  const story: Move[] = [
    moveOf({ id: 'open', state: 'copying' }),
    moveOf({ id: 'open', state: 'following', serving: 'source' }),
    moveOf({ id: 'open', state: 'following', serving: 'target' }),
    moveOf({ id: 'open', state: 'done' }),
  ]
  const done: string[] = []
  const say = (what: string): Move => {
    done.push(what)
    return moveOf({})
  }
  const { asked, run } = stage({
    status: async () => ({ move: story.shift()! }),
    switch: async (ref) => say(`switch ${ref}`),
    complete: async (ref) => say(`complete ${ref}`),
  })
  const results = await run([planned(1, 'open')])
  assert.deepEqual([results[0]?.state, done, asked], ['done', ['switch open', 'complete open'], ['keep', 'kept']])
})

test('an open move with a problem, or that somebody cancelled, is a failure with its reason', async () => {
  const problem = { code: 'PW_MOVE_FAILED', message: 'The target is full.' }
  const stuck = stage({ status: async () => ({ move: moveOf({ id: 'open', state: 'copying', problem }) }) })
  assert.match((await stuck.run([planned(1, 'open')]))[0]?.error?.message ?? '', /open is copying: The target is full/)
  const cancelled = stage({ status: async () => ({ move: moveOf({ id: 'open', state: 'cancelled' }) }) })
  assert.match((await cancelled.run([planned(1, 'open')]))[0]?.error?.message ?? '', /cancelled by somebody else/)
})
