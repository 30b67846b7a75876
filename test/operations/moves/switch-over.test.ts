// What a switch promises whatever the two places do: from its commit on the tenant waits for nobody who only compares.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../src/core/clock.ts'
import type { Move } from '../../../src/core/move.ts'
import type { MoveJournal } from '../../../src/operations/moves/move-journal.ts'
import type { HeldSnapshots, MoveSession } from '../../../src/operations/moves/move-work.ts'
import { type Drive, switchOver } from '../../../src/operations/moves/switch-over.ts'

/** How long the tenant may at most wait for what is compared: the bound, and what a busy machine adds. The fence itself has 2,000. */
const waitedMax = 1_500

interface Stage {
  readonly drive: Drive
  /** What was done, in its order. */
  readonly done: string[]
  /** Resolves when the tenant is let in at the new place, with how long that took from the commit. */
  readonly opened: Promise<number>
  /** Resolves when the tenant is let in again at the old one. */
  readonly reopened: Promise<void>
}

/** A switch whose snapshots are held as `hold` says, and whose commit ends as `commit` says. */
function stage(hold: (snapshots: HeldSnapshots) => Promise<HeldSnapshots>, commit: () => boolean = () => true): Stage {
  const done: string[] = []
  const note = <T>(what: string, value: T): Promise<T> => {
    done.push(what)
    return Promise.resolve(value)
  }
  const { promise: opened, resolve: open } = Promise.withResolvers<number>()
  const { promise: reopened, resolve: reopen } = Promise.withResolvers<void>()
  let committedAt = Number.NaN
  const place = { server: 'main', database: 'main', schema: 'app', isolation: 'pooled' }
  const fenced = {
    id: 'm',
    tenantId: 't',
    state: 'following',
    serving: 'source',
    source: place,
    target: place,
    options: {},
    notes: {},
    fence: 1,
  }
  const snapshots: HeldSnapshots = { compare: () => note('compare', []), close: () => note('close', undefined) }
  const session = {
    waitForOlder: () => note('wait for older', '0'),
    announce: () => note('announce', undefined),
    closeGate: () => note('close gate', { resting: 'open', ended: 0 }),
    drain: () => note('drain', true),
    holdSnapshots: () => hold(snapshots),
    reopen: () => {
      reopen()
      return note('reopen', undefined)
    },
    retire: () => note('retire', undefined),
    open: () => {
      open(systemClock.monotonic() - committedAt)
      return note('open', undefined)
    },
  } as unknown as MoveSession
  const journal = {
    claimFence: () => Promise.resolve({ fence: 1, until: '' }),
    commitSwitch: () => {
      committedAt = systemClock.monotonic()
      const switched = { ...fenced, state: 'switched', serving: 'target', notes: { resting: 'open' } } as unknown as Move
      return note('commit', commit() ? switched : undefined)
    },
    giveUpFence: () => note('give up', { ...fenced, wish: 'cancel' } as unknown as Move),
  } as unknown as MoveJournal
  const drive: Drive = {
    move: fenced as unknown as Move,
    o: { journal, claim: {} as never, clock: systemClock, onTenantChanged: () => void done.push('changed') },
    isHeld: () => Promise.resolve(true),
    session: () => Promise.resolve(session),
    context: () => ({}) as never,
    tell: () => {},
    advance: (_from, to, advance) => note(`advance to ${to}${advance?.verifiedAt === 'now' ? ', verified' : ''}`, undefined),
  }
  return { drive, done, opened, reopened }
}

test('snapshots that are held in time are compared, after the tenant was let in, and let go', async () => {
  const { drive, done } = stage((snapshots) => Promise.resolve(snapshots))
  await switchOver(drive)
  assert.deepEqual(done.slice(done.indexOf('commit')), [
    'commit',
    'retire',
    'open',
    'advance to turning',
    'changed',
    'compare',
    'advance to switched, verified',
    'close',
  ])
})

test('a place that does not answer holds up no tenant: it is let in, and what is held too late is let go and never compared', {
  timeout: 10_000,
}, async () => {
  const { promise: late, resolve: answer } = Promise.withResolvers<void>()
  let isLate = true
  const { drive, done, opened } = stage(async (snapshots) => {
    await late
    isLate = false
    return snapshots
  })
  const switching = switchOver(drive)
  const waitedMs = await opened
  assert.ok(isLate, 'the place has not answered yet')
  assert.ok(waitedMs < waitedMax, `${Math.round(waitedMs)} ms`)
  answer()
  await switching
  assert.ok(done.includes('changed'), 'everybody was told where the tenant is')
  assert.deepEqual(done.slice(done.indexOf('advance to turning')), ['advance to turning', 'changed', 'close'])
})

test('a place that is down is not waited for at all, and its failure does not undo what was committed', async () => {
  const { drive, done } = stage(() => Promise.reject(new RangeError('connection refused')))
  await switchOver(drive)
  assert.deepEqual(done.slice(done.indexOf('commit')), ['commit', 'retire', 'open', 'advance to turning', 'changed'])
})

test('a fence that is given up lets the tenant in before it waits for the snapshots, and lets them go', { timeout: 10_000 }, async () => {
  const { promise: late, resolve: answer } = Promise.withResolvers<void>()
  const { drive, done, reopened } = stage(
    async (snapshots) => {
      await late
      return snapshots
    },
    () => false,
  )
  const switching = switchOver(drive)
  await reopened
  assert.ok(!done.includes('close'))
  answer()
  await switching
  assert.deepEqual(done.slice(done.indexOf('commit')), ['commit', 'give up', 'reopen', 'close'])
})
