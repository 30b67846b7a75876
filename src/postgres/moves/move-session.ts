// Both places of one move, connected: what the driver (operations/moves/drive-move.ts) has done, in its order.

import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '../../core/clock.ts'
import type { Move, MoveProblem, MoveProgress, MoveSide } from '../../core/move.ts'
import type { GateState } from '../../core/placement-adapter.ts'
import type { Json } from '../../core/tenant.ts'
import { DatabaseUnavailableError, MoveFailedError } from '../../errors.ts'
import type { ClaimedFence } from '../../operations/moves/move-journal.ts'
import type { HeldSnapshots, MoveContext, MoveSession } from '../../operations/moves/move-work.ts'
import type { ControlConnection } from '../control-pool.ts'
import { quoted } from '../table-shape.ts'
import { answered } from './answered.ts'
import { type FollowState, followState, isReady, lagBytes, rowEstimates } from './copy-state.ts'
import type { Endpoint, MoveEnds } from './endpoint.ts'
import { holdBackCopy, probeBaseline } from './held-back-copy.ts'
import { holdSnapshots } from './held-snapshots.ts'
import {
  announceFence,
  closeGate,
  drained,
  gateState,
  giveUpFence,
  openGate,
  retireGate,
  startMoving,
  stopMoving,
  waitForOlder,
} from './move-gate.ts'
import type { MovePlaces } from './move-places.ts'
import { keyLiteral, publishedTables } from './published-tables.ts'
import {
  advanceSlot,
  currentLsn,
  dropSlot,
  endReplication,
  ensureSlot,
  publish,
  refreshSubscription,
  replicationName,
  subscribe,
  unpublish,
  unsubscribe,
} from './replication.ts'

const copyPollMs = 250
const olderTimeoutMs = 60_000
const drainMsDefault = 300
const throttleRatioDefault = 1.25
/** Failures of the copy after which it is given up for now: PostgreSQL itself begins a table anew each time. */
const failuresMax = 3
/** Clocks of two servers may differ by so much. */
const clockSkewMs = 1_000

export interface MoveSessionOptions {
  readonly ends: MoveEnds
  readonly places: MovePlaces
  /** Drops the transfer's login on the server of a place. */
  readonly dropLogin: (at: Endpoint) => Promise<void>
  /** The catalog's connections, for its clock. */
  readonly catalog: ControlConnection
  readonly clock: Clock
}

/** @see MoveSession */
export class PostgresMoveSession implements MoveSession {
  readonly #ends: MoveEnds
  readonly #places: MovePlaces
  readonly #dropLogin: (at: Endpoint) => Promise<void>
  readonly #catalog: ControlConnection
  readonly #clock: Clock

  constructor({ ends, places, dropLogin, catalog, clock }: MoveSessionOptions) {
    this.#dropLogin = dropLogin
    this.#ends = ends
    this.#places = places
    this.#catalog = catalog
    this.#clock = clock
  }

  async prepare(move: Move, { tell }: MoveContext): Promise<Readonly<Record<string, Json>>> {
    const { tenant, source, target } = this.#ends
    await this.#places.join(tenant, move.source)
    await this.#places.join(tenant, move.target)
    const tables = await source.asOwner((control) => publishedTables(control, source.placement))
    await target.asOwner(async (control) => {
      // Where there are no neighbours the guards are made now.
      for (const { stored, tenantColumn } of await publishedTables(control, target.placement)) {
        await control.query('select partywall.guard_applied_rows($1::regclass, $2)', [stored, tenantColumn])
      }
    })
    await source.asOwner(async (control) => {
      for (const { stored, tenantColumn } of tables)
        await control.query('select partywall.guard_applied_rows($1::regclass, $2)', [stored, tenantColumn])
    })
    await publish(source, move, tenant, tables)
    await publish(target, move, tenant, tables)
    tell('Making the replication slot; it waits for transactions that are open.')
    await ensureSlot(source, move, move.generation)
    const isShared = move.source.isolation === 'pooled'
    const counted = tables.map((table) => ({ ...table, where: `${quoted(table.tenantColumn)} = ${keyLiteral(tenant, table)}` }))
    return { rowsTotal: await rowEstimates(source, counted, isShared) }
  }

  async copy(move: Move, context: MoveContext): Promise<void> {
    const { source, target } = this.#ends
    const ratioMax = move.options.throttleRatio ?? throttleRatioDefault
    const baseline = ratioMax > 0 ? await probeBaseline(this.#ends, this.#clock) : []
    await subscribe(target, source, move, { generation: move.generation, copyData: true })
    await refreshSubscription(target, source, move, move.generation)
    const held = ratioMax > 0 ? holdBackCopy(this.#ends, target, { baseline, ratioMax, clock: this.#clock }) : undefined
    const rate = new CopyRate(this.#clock)
    const before = await this.#following(move)
    try {
      while (!(await isReady(target, move, move.generation))) {
        context.signal.throwIfAborted()
        const state = await this.#following(move)
        this.#assertCopying(state, before)
        const { latest } = held ?? {}
        const throttle = latest && { isPaused: latest.heldPart > 0, ratio: Math.round(latest.ratio * 100) / 100 }
        context.progress(progressOf(state, await this.#lag(move), rate, throttle))
        await wait(copyPollMs, undefined, { signal: context.signal })
      }
      context.progress(progressOf(await this.#following(move), await this.#lag(move), rate, undefined))
    } finally {
      await held?.stop()
    }
  }

  async settle(move: Move, { signal, tell }: MoveContext): Promise<void> {
    const { tenant } = this.#ends
    const { serving, other } = this.#sides(move.serving)
    tell('Statistics of the copied tables.')
    await other.asOwner(async (control) => {
      for (const { stored } of await publishedTables(control, other.placement)) await control.query(`analyze ${stored}`)
    })
    // The way back begins here: from now on whatever is written at the other place would be kept for it.
    await ensureSlot(other, move, move.generation + 1)
    await startMoving(serving, tenant.id)
    signal.throwIfAborted()
  }

  async tend(
    move: Move,
    isCurrent: () => Promise<boolean>,
  ): Promise<{ readonly problem: MoveProblem | undefined; readonly lagBytes: number }> {
    const { tenant } = this.#ends
    const { serving, other } = this.#sides(move.serving)
    // A fence that was given up in the catalog, by somebody who could not reach this server.
    if ((await gateState(serving, tenant.id)) === 'fenced') await giveUpFence(serving, tenant.id, move.fence)
    await startMoving(serving, tenant.id)
    const lag = await lagBytes(serving, move, move.generation)
    if (lag === undefined || lag.isLost) {
      const message = `The server ${serving.placement.server} has removed log that the other place had not read yet (max_slot_wal_keep_size). ${move.serving === 'source' ? 'Cancel the move, and start again.' : 'It cannot be reversed any more: complete the move, or wait for advice.'}`
      return { problem: { code: 'PW_MOVE_FAILED', message }, lagBytes: lag?.bytes ?? 0 }
    }
    const state = await this.#following(move)
    if (!state.isThere || !state.isEnabled) {
      await subscribe(other, serving, move, { generation: move.generation, copyData: false })
      await refreshSubscription(other, serving, move, move.generation)
    }
    // Read before the question: if another mover has switched since, what the tenant wrote there comes after it.
    const lsn = await currentLsn(other)
    if (await isCurrent()) await advanceSlot(other, move, move.generation + 1, lsn)
    return { problem: undefined, lagBytes: lag.bytes }
  }

  async waitForOlder(move: Move, { signal, tell }: MoveContext): Promise<string> {
    const { serving } = this.#sides(move.serving)
    await startMoving(serving, this.#ends.tenant.id)
    return await waitForOlder(serving, this.#ends.tenant.id, {
      timeoutMs: olderTimeoutMs,
      signal,
      onWait: (older) =>
        tell(`Waiting for ${older.length} transactions that were open before, the oldest for ${older[0]?.openSeconds ?? 0} s.`),
    })
  }

  async announce(move: Move, fence: ClaimedFence): Promise<void> {
    await announceFence(this.#sides(move.serving).serving, this.#ends.tenant.id, fence)
  }

  async closeGate(
    move: Move,
    fence: ClaimedFence,
    since: string,
  ): Promise<{ readonly resting: GateState; readonly ended: number } | undefined> {
    return await closeGate(this.#sides(move.serving).serving, {
      tenantId: this.#ends.tenant.id,
      moveId: move.id,
      generation: move.generation,
      fence,
      since,
      drainMs: move.options.drainMs ?? drainMsDefault,
    })
  }

  async drain(move: Move, { fence }: ClaimedFence, timeoutMs: number): Promise<boolean> {
    const { other } = this.#sides(move.serving)
    const within = { ms: timeoutMs + 1_000, what: told(other) }
    return await answered(within, drained(other, { moveId: move.id, generation: move.generation, fence, timeoutMs }))
  }

  async holdSnapshots(): Promise<HeldSnapshots> {
    return await answered({ ms: 5_000, what: 'One of the two places' }, holdSnapshots(this.#ends))
  }

  async reopen(move: Move, fence: number): Promise<void> {
    await giveUpFence(this.#sides(move.serving).serving, this.#ends.tenant.id, fence)
  }

  /** The place that served. When its server cannot be reached, its own deadline shuts everybody out there: that is waited for instead. */
  async retire(move: Move): Promise<void> {
    const { other: left } = this.#sides(move.serving)
    for (;;) {
      try {
        return await retireGate(left, this.#ends.tenant.id, move.fence)
      } catch (error) {
        if (!(error instanceof DatabaseUnavailableError)) throw error
        const [row] = await this.#catalog.query<{ isOver: boolean }>(
          `select clock_timestamp() > $1::timestamptz + $2 * interval '1 millisecond' as "isOver"`,
          [String(move.notes['fencedUntil']), clockSkewMs],
        )
        if (row?.isOver === true) return
        await wait(100)
      }
    }
  }

  async open(move: Move, resting: GateState): Promise<void> {
    const { serving } = this.#sides(move.serving)
    const [row] = await serving.transfer.query<{ isThere: boolean }>(
      `select exists (
         select from partywall.move_markers as m where m.move_id = $1 and m.generation = $2 and m.fence >= $3
       ) as "isThere"`,
      [move.id, move.generation - 1, move.fence],
    )
    // It was there before the switch was committed: without it this server has lost what it had said was durable.
    if (row?.isThere !== true) {
      throw new MoveFailedError(
        `The place ${told(serving)} does not have the marker of the switch any more: its server has lost what it had confirmed. The tenant is not let in. Restore that server's log, or see the guide on moving.`,
      )
    }
    await openGate(serving, this.#ends.tenant.id, move.fence, resting)
  }

  async turn(move: Move, { tell }: MoveContext): Promise<void> {
    const { serving, other } = this.#sides(move.serving)
    tell('Turning replication round.')
    await retireGate(other, this.#ends.tenant.id, move.fence)
    await unsubscribe(serving, other, move, move.generation - 1)
    await subscribe(other, serving, move, { generation: move.generation, copyData: false })
  }

  async finish(move: Move, { signal, tell }: MoveContext): Promise<void> {
    const { tenant } = this.#ends
    const { serving, other } = this.#sides(move.serving)
    tell('Ending replication.')
    // What keeps the log from being removed goes first, and everything that could ship the deletions that follow.
    await dropSlot(serving, replicationName(move, move.generation))
    if (other.isThere) {
      await endReplication(other, serving, move)
      await unpublish(other, move)
    }
    await endReplication(serving, other, move)
    await unpublish(serving, move)
    // A fence that was given up in the catalog by somebody who died before he opened the gate.
    await giveUpFence(serving, tenant.id, move.fence)
    await stopMoving(serving, tenant.id)
    for (const at of [serving, other]) {
      if (!at.isThere) continue
      await at.asOwner((control) => control.query('delete from partywall.move_markers as m where m.move_id = $1', [move.id]))
      await this.#places.leave(tenant, at.placement)
    }
    tell(`Removing what is left at ${told(other)}.`)
    await this.#dropLogin(other)
    await this.#places.releasePlace(tenant, other.placement, { behindFence: move.fence, signal })
    await this.#dropLogin(serving)
  }

  async close(): Promise<void> {
    await this.#ends.close()
  }

  #sides(serving: MoveSide): { readonly serving: Endpoint; readonly other: Endpoint } {
    const { source, target } = this.#ends
    return serving === 'source' ? { serving: source, other: target } : { serving: target, other: source }
  }

  async #following(move: Move): Promise<FollowState> {
    const { other } = this.#sides(move.serving)
    return await followState(other, move, move.generation, (move.notes['rowsTotal'] ?? {}) as Record<string, number>)
  }

  async #lag(move: Move): Promise<number> {
    return (await lagBytes(this.#sides(move.serving).serving, move, move.generation))?.bytes ?? 0
  }

  #assertCopying(now: FollowState, before: FollowState): void {
    if (now.copyFailures - before.copyFailures + now.failures - before.failures < failuresMax) return
    throw new MoveFailedError(
      `The copy to ${told(this.#ends.target)} failed ${failuresMax} times. PostgreSQL says why in the log of the server ${this.#ends.target.placement.server}: a full disk, a row that does not fit, a table that changed. Mend it, and the move goes on; or cancel it.`,
    )
  }
}

function told({ placement }: Endpoint): string {
  return `${placement.database}.${placement.schema} on ${placement.server}`
}

/** Rows a second of late, for the estimate. */
class CopyRate {
  readonly #clock: Clock
  readonly #startedAt: number
  #rowsAtStart: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAt = clock.monotonic()
  }

  remainingMs(rows: number, rowsTotal: number): number | undefined {
    this.#rowsAtStart ??= rows
    const done = rows - this.#rowsAtStart
    if (done <= 0) return undefined
    return Math.round((Math.max(0, rowsTotal - rows) * (this.#clock.monotonic() - this.#startedAt)) / done)
  }
}

function progressOf(state: FollowState, lag: number, rate: CopyRate, throttle: MoveProgress['throttle']): MoveProgress {
  const sum = (key: 'rows' | 'rowsTotal'): number => state.tables.reduce((total, table) => total + table[key], 0)
  const remainingMs = rate.remainingMs(sum('rows'), sum('rowsTotal'))
  return {
    tables: state.tables,
    lagBytes: lag,
    ...(remainingMs !== undefined && { remainingMs }),
    ...(throttle !== undefined && { throttle }),
  }
}
