// Drives one move from where it stands to where it rests: following, done or cancelled. It holds the claim meanwhile; every state is
// written down before the next one begins, so that whoever comes after a kill begins the state again (core/move.ts has the map).

import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '../../core/clock.ts'
import type { Move, MoveProgress, MoveState } from '../../core/move.ts'
import { AbortedError, MoveFailedError, OperationInProgressError } from '../../errors.ts'
import type { MoveEvent, MoveListener, MoveNews } from './move-event.ts'
import type { MoveAdvance, MoveClaim, MoveJournal } from './move-journal.ts'
import { differs, messageOf, problemOf } from './move-problem.ts'
import type { MoveContext, MoveSession, MoveWork, TenantMover } from './move-work.ts'
import { type Drive, finishSwitch, switchOver, verifyBehindFence } from './switch-over.ts'

export interface DriveMoveOptions {
  readonly journal: MoveJournal
  readonly work: MoveWork
  readonly movers: readonly TenantMover[]
  readonly clock: Clock
  readonly claim: MoveClaim
  readonly leaseMs: number
  readonly signal: AbortSignal
  readonly onEvent: MoveListener | undefined
  /** Told after the tenant's place has changed, so that this process's caches forget it. */
  readonly onTenantChanged: ((id: Move['tenantId']) => void) | undefined
}

/** A following move is looked after so often. */
const tendEveryMs = 5_000
/** A state that fails is tried again after these times, in milliseconds; then the problem is told and the move is left for a while. */
const retryAfterMs = [200, 500, 1_000, 2_000, 4_000]
const leaveForMs = 10_000
/** So long connections may take to close. */
const closeMs = 1_000
export const soakMsDefault = 3_600_000

/** @returns the move where it rests. @throws {MoveFailedError} when a state fails again and again; {@link AbortedError} */
export async function driveMove(options: DriveMoveOptions, move: Move): Promise<Move> {
  return await new MoveDrive(options, move).run()
}

/** What is asked of a following move next: by a person, or by itself. */
type Next = 'verify' | 'switch' | 'complete' | 'cancel' | 'rest'

class MoveDrive implements Drive {
  readonly o: DriveMoveOptions
  move: Move
  #session: MoveSession | undefined
  readonly #lost = new AbortController()
  readonly #signal: AbortSignal
  #notedAt = Number.NEGATIVE_INFINITY
  #writing: Promise<unknown> = Promise.resolve()

  constructor(options: DriveMoveOptions, move: Move) {
    this.o = options
    this.move = move
    this.#signal = AbortSignal.any([options.signal, this.#lost.signal])
  }

  async run(): Promise<Move> {
    const stop = this.#beat()
    try {
      for (let failures = 0; ; ) {
        try {
          const { state } = this.move
          if (await this.#state()) return this.move
          // A fence that was given up is no step forward: each has made the tenant's writes wait.
          if (state !== 'following' && state !== 'fencing') failures = 0
        } catch (error) {
          if (this.#lost.signal.aborted) throw lost(this.move)
          if (this.o.signal.aborted || error instanceof AbortedError) throw error
          if (error instanceof OperationInProgressError && error.details['claim'] === 'lost') throw error
          // Connections may be to a server that is not there any more.
          await this.#endSession()
          const again = retryAfterMs[failures++]
          if (again === undefined) {
            if (this.move.state === 'fencing') await this.#giveUpFound().catch(() => {})
            throw await this.#left(error)
          }
          this.tell({ kind: 'waiting', message: `${messageOf(error)} Trying again.` })
          await wait(again, undefined, { signal: this.#signal }).catch(() => {})
        }
      }
    } finally {
      stop()
      await this.#writing.catch(() => {})
      await this.#endSession()
      await this.o.journal.release(this.o.claim, tendEveryMs).catch(() => {})
    }
  }

  /** One state. @returns whether the move rests there. */
  async #state(): Promise<boolean> {
    if (this.#signal.aborted) throw new AbortedError(`The move ${this.move.id} was left where it stands. Any process can go on with it.`)
    switch (this.move.state) {
      case 'planned': {
        if (await this.#isCancelled()) return false
        await this.o.work.provision(this.move, this.context())
        const notes = await (await this.session()).prepare(this.move, this.context())
        await this.advance('planned', 'copying', { notes, problem: null })
        return false
      }
      case 'copying':
        return await this.#copy()
      case 'following':
        return await this.#follow()
      case 'fencing':
        await this.#giveUpFound()
        return false
      case 'switched':
        await finishSwitch(this)
        return false
      case 'turning':
        await (await this.session()).turn(this.move, this.context())
        await (await this.session()).settle(this.move, this.context())
        await this.#movers((mover) => mover.switched({ id: this.move.tenantId }, this.move))
        // What the comparison behind the switch found stays told.
        await this.advance('turning', 'following', this.move.notes['differences'] == null ? { problem: null } : {})
        return false
      case 'finishing':
        return await this.#end('finishing', 'done')
      case 'cancelling':
        return await this.#end('cancelling', 'cancelled')
      case 'done':
      case 'cancelled':
        return true
    }
  }

  async #copy(): Promise<boolean> {
    if (await this.#isCancelled()) return false
    const stop = new AbortController()
    const watching = this.#watchForCancel(stop)
    try {
      const session = await this.session()
      const context = this.context(stop.signal)
      await session.copy(this.move, context)
      await this.#movers((mover) => mover.copy({ id: this.move.tenantId }, this.move, context.signal))
      await session.settle(this.move, context)
    } catch (error) {
      if (!stop.signal.aborted) throw error
    } finally {
      stop.abort()
      await watching
    }
    if (await this.#isCancelled()) return false
    await this.advance('copying', 'following', { problem: null })
    return false
  }

  /** A copy may take hours: who cancels it does not wait for its end. */
  async #watchForCancel(stop: AbortController): Promise<void> {
    while (!stop.signal.aborted) {
      await wait(500, undefined, { signal: stop.signal }).catch(() => {})
      const found = await this.o.journal.find(this.move.id).catch(() => undefined)
      if (found?.wish === 'cancel') stop.abort()
    }
  }

  async #isCancelled(): Promise<boolean> {
    const found = await this.o.journal.find(this.move.id)
    if (found?.wish !== 'cancel') return false
    await this.advance(this.move.state, 'cancelling', { wish: null, problem: null })
    return true
  }

  async #follow(): Promise<boolean> {
    const next = await this.#next()
    switch (next) {
      case 'cancel':
        await this.advance('following', 'cancelling', { wish: null, problem: null })
        return false
      case 'complete':
        return await this.#complete()
      case 'verify':
        await verifyBehindFence(this)
        return false
      case 'switch':
        if (this.move.verifiedAt === undefined) await verifyBehindFence(this)
        if (this.move.problem === undefined) await switchOver(this)
        // What stands in the way is told, and whoever asked asks again.
        else if (this.move.wish !== undefined) await this.advance('following', 'following', { wish: null })
        return false
      case 'rest':
        return await this.#tend()
      case undefined:
        return false
    }
  }

  async #next(): Promise<Next | undefined> {
    await this.#refresh()
    if (this.move.state !== 'following') return undefined
    const { wish, serving, options, notes, problem } = this.move
    if (wish === 'verify' || wish === 'cancel' || wish === 'complete') return wish
    if (wish === 'switch' || wish === 'reverse') {
      if ((wish === 'switch') === (serving === 'source')) return 'switch'
      // Two asked for the same, and the other one was first.
      await this.advance('following', 'following', { wish: null })
    }
    if (options.auto !== true || problem !== undefined) return 'rest'
    if (serving === 'source') return 'switch'
    const soakedMs = this.o.clock.now() - Date.parse(String(notes['switchedAt']))
    return soakedMs >= (options.soakMs ?? soakMsDefault) ? 'complete' : 'rest'
  }

  /** What is about to be removed is compared before, unless it was behind the pause of the switch. */
  async #complete(): Promise<boolean> {
    if (this.move.verifiedAt === undefined && this.move.notes['differences'] == null) await verifyBehindFence(this)
    if (this.move.problem !== undefined) return false
    if (this.move.notes['differences'] != null) {
      await this.advance('following', 'following', { wish: null, problem: problemOf(differs(this.move)) })
      return false
    }
    await this.advance('following', 'finishing', { wish: null, problem: null })
    return false
  }

  async #tend(): Promise<boolean> {
    const { problem, lagBytes } = await (await this.session()).tend(this.move, () => this.isHeld())
    const before = this.move.notes['progress'] as unknown as MoveProgress | undefined
    const progress = { tables: [], ...before, lagBytes }
    await this.advance('following', 'following', {
      dueMs: tendEveryMs,
      notes: { progress: progress as never },
      ...(problem !== undefined && { problem }),
    })
    return this.move.wish === undefined
  }

  /** A fence of somebody who died. It is given up, and what was asked is tried again with another. */
  async #giveUpFound(): Promise<void> {
    const { fence } = this.move
    if ((await this.o.journal.giveUpFence(this.o.claim, fence, null)) === undefined) return await this.#refresh()
    await (await this.session()).reopen(this.move, fence)
    await this.#refresh()
  }

  /** The move as it stands. @throws {OperationInProgressError} when it is another process's: what that one has done is not to be acted on. */
  async #refresh(): Promise<void> {
    const found = await this.o.journal.find(this.move.id)
    if (found === undefined || !(await this.isHeld())) throw lost(this.move)
    this.move = found
  }

  async #end(from: MoveState, to: 'done' | 'cancelled'): Promise<boolean> {
    await (await this.session()).finish(this.move, this.context())
    await this.#movers((mover) => mover.finished({ id: this.move.tenantId }, this.move))
    await this.advance(from, to, { problem: null, wish: null })
    return true
  }

  async #movers(fn: (mover: TenantMover) => Promise<void>): Promise<void> {
    for (const mover of this.o.movers) {
      this.tell({ kind: 'waiting', message: `${mover.name} follows the tenant.` })
      await fn(mover)
    }
  }

  async isHeld(): Promise<boolean> {
    return await this.o.journal.extend(this.o.claim, this.o.leaseMs)
  }

  async session(): Promise<MoveSession> {
    this.#session ??= await this.o.work.open(this.move)
    return this.#session
  }

  async #endSession(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    // A connection through a network that was cut is not waited for.
    await Promise.race([session?.close().catch(() => {}), wait(closeMs, undefined, { ref: false })])
  }

  /** @throws {OperationInProgressError} when the claim is lost, or somebody gave the fence up meanwhile. */
  async advance(from: MoveState, to: MoveState, advance: MoveAdvance = {}): Promise<void> {
    await this.#writing.catch(() => {})
    const move = await this.o.journal.advance(this.o.claim, from, to, advance)
    if (move === undefined) throw lost(this.move)
    const isNew = from !== to
    this.move = move
    if (isNew) this.tell({ kind: 'state', state: to, serving: move.serving })
  }

  context(signal?: AbortSignal): MoveContext {
    return {
      signal: signal === undefined ? this.#signal : AbortSignal.any([this.#signal, signal]),
      tell: (message) => this.tell({ kind: 'waiting', message }),
      progress: (progress) => {
        this.tell({ kind: 'progress', progress })
        const now = this.o.clock.monotonic()
        if (now - this.#notedAt < 1_000) return
        this.#notedAt = now
        const { state } = this.move
        this.#writing = this.o.journal.advance(this.o.claim, state, state, { notes: { progress: progress as never } }).catch(() => {})
      },
    }
  }

  tell(news: MoveNews): void {
    try {
      const at = new Date(this.o.clock.now()).toISOString()
      this.o.onEvent?.({ ...news, move: this.move.id, tenantId: this.move.tenantId, at } as MoveEvent)
    } catch {
      // Whoever watches has no say in what is watched.
    }
  }

  #beat(): () => void {
    const { journal, claim, leaseMs } = this.o
    const timer = setInterval(() => {
      void journal.extend(claim, leaseMs).then(
        (isHeld) => isHeld || this.#lost.abort(),
        () => {},
      )
    }, leaseMs / 4)
    timer.unref()
    return () => clearInterval(timer)
  }

  async #left(error: unknown): Promise<MoveFailedError> {
    const problem = problemOf(error)
    const { state, id } = this.move
    this.tell({ kind: 'problem', ...problem })
    // A wish is not tried for ever: whoever asked is told, and asks again.
    await this.o.journal
      .advance(this.o.claim, state, state, { problem, dueMs: leaveForMs, ...(state === 'following' && { wish: null }) })
      .catch(() => undefined)
    return new MoveFailedError(`The move ${id} could not go on; it is ${state}: ${problem.message}`, {
      cause: error,
      details: { id, state },
    })
  }
}

function lost({ id }: Move): OperationInProgressError {
  return new OperationInProgressError(`The move ${id} was taken over by another process: this one was silent for too long.`, {
    details: { id, claim: 'lost' },
  })
}
