// The fence: the one moment of a move in which the tenant's writes wait. The switch and the verification both take it; they part after
// the drain, where the switch is committed and the verification is given up. core/move.ts names the steps and says why in this order.

import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '../../core/clock.ts'
import { type Move, type MoveProblem, type MoveState, type SwitchStep, sidesOf, switchSteps } from '../../core/move.ts'
import type { GateState } from '../../core/placement-adapter.ts'
import { MoveFailedError } from '../../errors.ts'
import type { MoveNews } from './move-event.ts'
import type { ClaimedFence, MoveAdvance, MoveClaim, MoveJournal } from './move-journal.ts'
import { differs, problemOf } from './move-problem.ts'
import type { HeldSnapshots, MoveContext, MoveSession } from './move-work.ts'

const fenceMsDefault = 2_000
/** Of the fence's time: so long the other place may take to catch up. The rest is for the commit. */
const drainPart = 0.4
/** A fence that was given up is tried again, so often and after these times, in milliseconds. */
const againAfterMs = [100, 500, 2_000]

/** So long after the commit the snapshots are waited for, in milliseconds: a place that is down must not make the tenant wait. */
const heldWithinMs = 250

const tooLate: MoveProblem = {
  code: 'PW_MOVE_FAILED',
  message: 'The fence was past its deadline before the switch could be committed. Try at a quieter time, or with a longer fence.',
}

interface Fenced {
  readonly fence: ClaimedFence
  readonly startedAt: number
  readonly resting: GateState
  readonly ended: number
}

/** The drive of a move, as far as a fence needs it. */
export interface Drive {
  move: Move
  readonly o: {
    readonly journal: MoveJournal
    readonly claim: MoveClaim
    readonly clock: Clock
    readonly onTenantChanged: ((id: Move['tenantId']) => void) | undefined
  }
  /** Is the claim this process's still? */
  isHeld(): Promise<boolean>
  session(): Promise<MoveSession>
  context(): MoveContext
  tell(news: MoveNews): void
  advance(from: MoveState, to: MoveState, advance?: MoveAdvance): Promise<void>
}

/**
 * Fence, commit, open; then both places are compared as they were behind the pause. A fence that runs out before the commit is tried again a
 * few times, and then no more: each has made the tenant's writes wait.
 */
export async function switchOver(drive: Drive): Promise<void> {
  for (const again of [...againAfterMs, undefined]) {
    const problem = await trySwitch(drive)
    // Who has asked for something else meanwhile, as to cancel it, goes first.
    if (problem === undefined || drive.move.wish === 'cancel') return
    if (again === undefined) {
      await drive.advance('following', 'following', { wish: null, problem })
      drive.tell({ kind: 'problem', ...problem })
      return
    }
    drive.tell({ kind: 'waiting', message: `${problem.message} The tenant writes on. Trying again.` })
    await wait(again)
  }
}

/** @returns why it was not committed, when it may be tried again. */
async function trySwitch(drive: Drive): Promise<MoveProblem | undefined> {
  const fenced = await fencedOff(drive)
  if (fenced === undefined) return undefined
  const session = await drive.session()
  const { claim, journal, onTenantChanged } = drive.o
  // Whatever becomes of the commit, what is held is let go.
  const held = session.holdSnapshots(drive.move).catch(() => undefined)
  try {
    const to = sidesOf(drive.move).other
    const switched = await journal.commitSwitch(claim, fenced.fence.fence, { to, resting: fenced.resting })
    if (switched === undefined) {
      await giveUp(drive, fenced.fence, null)
      return drive.move.state === 'following' ? tooLate : undefined
    }
    drive.move = switched
    // What is held after the tenant writes again is no common moment. Then nothing is compared here: `complete` does it behind a fence.
    const snapshots = await Promise.race([held, wait(heldWithinMs, undefined)])
    await finishSwitch(drive, fenced)
    onTenantChanged?.(drive.move.tenantId)
    if (snapshots !== undefined) await compare(drive, snapshots)
    return undefined
  } finally {
    await (await held)?.close()
  }
}

/** From `switched` on there is only forward: also for whoever finds it so after a kill, without the memory of the fence. */
export async function finishSwitch(drive: Drive, fenced?: Fenced): Promise<void> {
  const session = await drive.session()
  const resting = drive.move.notes['resting'] as GateState
  await session.retire(drive.move)
  await session.open(drive.move, resting)
  const pauseMs = fenced === undefined ? undefined : drive.o.clock.monotonic() - fenced.startedAt
  drive.tell({ kind: 'state', state: 'switched', serving: drive.move.serving })
  if (pauseMs !== undefined) drive.tell({ kind: 'pause', pauseMs, ended: fenced?.ended ?? 0, isSwitch: true })
  await drive.advance('switched', 'turning', {
    pauseMs,
    verifiedAt: null,
    notes: { switchedAt: new Date(drive.o.clock.now()).toISOString(), differences: null },
  })
}

/** A fence that is not committed: both places are held at one point behind it, and compared when the tenant writes again. */
export async function verifyBehindFence(drive: Drive): Promise<void> {
  const fenced = await fencedOff(drive)
  if (fenced === undefined) return
  const session = await drive.session()
  let snapshots: HeldSnapshots | undefined
  try {
    snapshots = await session.holdSnapshots(drive.move)
    await giveUp(drive, fenced.fence, null)
    drive.tell({ kind: 'pause', pauseMs: drive.o.clock.monotonic() - fenced.startedAt, ended: fenced.ended, isSwitch: false })
    await compare(drive, snapshots)
  } finally {
    await snapshots?.close()
    if (drive.move.state === 'fencing') await giveUp(drive, fenced.fence, null)
  }
}

async function compare(drive: Drive, snapshots: HeldSnapshots): Promise<void> {
  const differences = await snapshots.compare(drive.context())
  const { state, wish } = drive.move
  const isWished = wish === 'verify'
  if (differences.length === 0) {
    await drive.advance(state, state, { verifiedAt: 'now', problem: null, notes: { differences: null }, ...(isWished && { wish: null }) })
    return
  }
  await drive.advance(state, state, { verifiedAt: null, wish: null, notes: { differences: differences as never } })
  const problem = problemOf(differs(drive.move))
  drive.tell({ kind: 'problem', ...problem })
  await drive.advance(state, state, { problem })
}

/** The steps up to the drain. @returns undefined when it was tried again and again and given up; the problem is written down. */
async function fencedOff(drive: Drive): Promise<Fenced | undefined> {
  const session = await drive.session()
  // Also by a fence that was given up: what it ended, ended.
  let ended = 0
  for (const again of [...againAfterMs, undefined]) {
    const since = await session.waitForOlder(drive.move, drive.context())
    const fence = await drive.o.journal.claimFence(drive.o.claim, drive.move.options.fenceMs ?? fenceMsDefault)
    if (fence === undefined)
      throw new MoveFailedError('The fence could not be claimed: the move is not following, or is another process’s now.')
    drive.move = { ...drive.move, state: 'fencing', fence: fence.fence }
    const onEnded = (count: number): void => {
      ended += count
    }
    const result = await stepsToDrain(drive, { fence, since, onEnded }).catch((error: unknown) => ({ problem: problemOf(error) }))
    if (!('problem' in result)) return { ...result, ended }
    await giveUp(drive, fence, again === undefined ? result.problem : null)
    if (again === undefined) {
      await drive.advance('following', 'following', { wish: null, problem: result.problem })
      drive.tell({ kind: 'problem', ...result.problem })
      return undefined
    }
    drive.tell({ kind: 'waiting', message: `${result.problem.message} The fence was given up; the tenant writes on. Trying again.` })
    await wait(again)
  }
  return undefined
}

interface StepsToDrain {
  readonly fence: ClaimedFence
  readonly since: string
  readonly onEnded: (transactions: number) => void
}

async function stepsToDrain(
  drive: Drive,
  { fence, since, onEnded }: StepsToDrain,
): Promise<Omit<Fenced, 'ended'> | { readonly problem: MoveProblem }> {
  const session = await drive.session()
  const { move, o } = drive
  let startedAt = o.clock.monotonic()
  let closed: Awaited<ReturnType<typeof session.closeGate>>
  const fenceMs = move.options.fenceMs ?? fenceMsDefault
  const problem = (message: string): { readonly problem: MoveProblem } => ({ problem: { code: 'PW_MOVE_FAILED', message } })
  const before: readonly SwitchStep[] = switchSteps.slice(1, switchSteps.indexOf('commit'))
  for (const step of before) {
    switch (step) {
      case 'announce':
        startedAt = o.clock.monotonic()
        await session.announce(move, fence)
        break
      case 'close-gate':
        closed = await session.closeGate(move, fence, since)
        if (closed === undefined) return problem('The gate could not be closed: it was opened meanwhile, or a later fence has been there.')
        onEnded(closed.ended)
        break
      case 'drain':
        if (!(await session.drain(move, fence, fenceMs * drainPart))) {
          return problem(
            `The other place did not catch up within ${Math.round(fenceMs * drainPart)} ms. Is replication lagging, or stopped?`,
          )
        }
        break
      default:
        break
    }
  }
  return { fence, startedAt, resting: closed!.resting }
}

/** The catalog first: from then on nobody can commit it. Then the gate. Somebody may have given it up already, at its deadline. */
async function giveUp(drive: Drive, { fence }: ClaimedFence, problem: MoveProblem | null): Promise<void> {
  const { journal, claim } = drive.o
  const given = await journal.giveUpFence(claim, fence, problem)
  const move = given ?? (await journal.find(drive.move.id))
  // Whoever has taken the move over looks after its gate.
  if (move === undefined || (given === undefined && !(await drive.isHeld())))
    throw new MoveFailedError('The move is another process’s by now.')
  drive.move = move
  if (move.state === 'following') await (await drive.session()).reopen(move, fence)
}
