// The tenant's gates during a move (sql/wall/0012-moves.sql). Each function is one transaction in one of the two databases, and may be
// repeated.

import { setTimeout as wait } from 'node:timers/promises'
import type { GateState } from '../../core/placement-adapter.ts'
import type { TenantId } from '../../core/tenant.ts'
import { MoveFailedError } from '../../errors.ts'
import type { ClaimedFence } from '../../operations/moves/move-journal.ts'
import type { ControlPool } from '../control-pool.ts'
import { only } from '../placements/placement-site.ts'
import { answered } from './answered.ts'
import type { Endpoint } from './endpoint.ts'

/** From here on every write of the tenant can be waited for, but for those of transactions that are open already. */
export async function startMoving(at: Endpoint, tenantId: TenantId): Promise<void> {
  await at.asOwner(async (control) => {
    await control.query('select partywall.start_moving($1)', [tenantId])
    await control.query('select partywall.moving_since($1)', [tenantId])
  })
}

/** The gate is what it would be without a move. */
export async function stopMoving(at: Endpoint, tenantId: TenantId): Promise<void> {
  await at.asOwner((control) => control.query('select partywall.stop_moving($1)', [tenantId]))
}

const pollMs = 20

/** A transaction that is older than the gate's state `moving`. */
export interface OlderTransaction {
  readonly pid: number
  readonly login: string
  readonly application: string
  readonly openSeconds: number
}

/**
 * Waits until every transaction has ended that may write without having seen that the tenant moves: those of the whole database,
 * since nothing tells whose they are. Nobody is paused meanwhile.
 *
 * @returns since when all writes are known: {@link closeGate} asks for it.
 * @throws {MoveFailedError} naming them, when some are open for longer than `timeoutMs`.
 */
export async function waitForOlder(
  at: Endpoint,
  tenantId: TenantId,
  { timeoutMs, signal, onWait }: { timeoutMs: number; signal: AbortSignal; onWait: (older: readonly OlderTransaction[]) => void },
): Promise<string> {
  const [gate] = await at.asOwner((control) =>
    control.query<{ since: string | null }>('select partywall.moving_since($1)::text as since', [tenantId]),
  )
  if (gate === undefined || gate.since === null) throw new MoveFailedError('The tenant’s gate was opened in the same moment. Try again.')
  const seen = await olderTransactions(at, gate.since)
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    const still = waitedMs === 0 ? seen : await stillOpen(at, seen)
    if (still.length === 0) return gate.since
    if (waitedMs >= timeoutMs) {
      const told = still.slice(0, 5).map(({ pid, login, openSeconds }) => `pid ${pid} of ${login}, for ${openSeconds} s`)
      throw new MoveFailedError(
        `Transactions in ${at.placement.database} are open since before the tenant began to move: ${told.join('; ')}. End them, or wait.`,
      )
    }
    if (waitedMs % 1_000 === 0) onWait(still)
    await wait(pollMs, undefined, { signal })
  }
}

type Found = OlderTransaction & { readonly startedAt: string }

async function olderTransactions(at: Endpoint, since: string): Promise<readonly Found[]> {
  return await at.transfer.query<Found>(
    `select a.pid, a.usename as login, a.application_name as application, a.xact_start::text as "startedAt",
            extract(epoch from clock_timestamp() - a.xact_start)::int as "openSeconds"
       from pg_catalog.pg_stat_activity as a
      where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
        and a.xact_start <= $1::timestamptz
      union all
     select 0, p.owner, 'prepared transaction ' || p.gid, p.prepared::text, extract(epoch from clock_timestamp() - p.prepared)::int
       from pg_catalog.pg_prepared_xacts as p
      where p.database = current_database() and p.prepared <= $1::timestamptz`,
    [since],
  )
}

async function stillOpen(at: Endpoint, seen: readonly Found[]): Promise<readonly Found[]> {
  const now = await at.transfer.query<{ pid: number; startedAt: string }>(
    `select a.pid, a.xact_start::text as "startedAt" from pg_catalog.pg_stat_activity as a where a.pid = any ($1::int[])
      union all
     select 0, p.prepared::text from pg_catalog.pg_prepared_xacts as p`,
    [seen.map(({ pid }) => pid)],
  )
  return seen.filter(({ pid, startedAt }) => now.some((each) => each.pid === pid && each.startedAt === startedAt))
}

/** Within the time of a fence a server answers, or is taken for one that cannot be reached. */
const answerMs = 2_000

async function ask<T>(at: Endpoint, fn: (control: ControlPool) => Promise<T>, ms = answerMs): Promise<T> {
  return await answered({ ms, what: `The database ${at.placement.database} on ${at.placement.server}` }, at.asOwner(fn))
}

/** New writes wait from here on. */
export async function announceFence(at: Endpoint, tenantId: TenantId, { fence }: ClaimedFence): Promise<void> {
  await ask(at, (control) => control.query('select partywall.announce_fence($1, $2)', [tenantId, fence]))
}

export interface CloseGate {
  readonly tenantId: TenantId
  readonly moveId: string
  readonly generation: number
  readonly fence: ClaimedFence
  /** What {@link waitForOlder} answered. */
  readonly since: string
  /** How long the tenant's open transactions may take to end by themselves, in milliseconds. */
  readonly drainMs: number
}

/**
 * Waits for the writes in flight and closes the gate. Transactions that hold it open for longer than `drainMs` are ended: their
 * clients see a broken connection before anything was committed, and may repeat.
 *
 * @returns the gate's state before, and how many transactions were ended; undefined when this fence was given up already.
 */
export async function closeGate(
  at: Endpoint,
  close: CloseGate,
): Promise<{ readonly resting: GateState; readonly ended: number } | undefined> {
  const attempt = async (lockTimeoutMs: number, onPid: (pid: number) => void): Promise<GateState | null> =>
    await ask(
      at,
      (control) =>
        control.transaction(async (connection) => {
          await connection.query(`set local lock_timeout = ${Math.trunc(lockTimeoutMs)}`)
          // Replication sends what is flushed: a server that commits lazily would hold the marker back.
          await connection.query('set local synchronous_commit = on')
          const [own] = await connection.query<{ pid: number }>('select pg_backend_pid() as pid')
          onPid(only([own!]).pid)
          const [row] = await connection.query<{ resting: GateState | null }>(
            'select partywall.close_gate($1, $2, $3, $4, $5, $6) as resting',
            [close.tenantId, close.moveId, close.generation, close.fence.fence, close.fence.until, close.since],
          )
          return row?.resting ?? null
        }),
      lockTimeoutMs + answerMs,
    )
  try {
    const resting = await attempt(close.drainMs, () => {})
    return resting === null ? undefined : { resting, ended: 0 }
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== '55P03') throw error
  }
  // One may be told twice before it has ended.
  const ended = new Set<number>()
  let isOver = false
  const end = async (pid: number): Promise<void> => {
    while (!isOver) {
      const rows = await at.transfer.query<{ pid: number }>(
        'select p.pid, pg_terminate_backend(p.pid) from unnest(pg_blocking_pids($1)) as p (pid)',
        [pid],
      )
      for (const told of rows) ended.add(told.pid)
      await wait(5)
    }
  }
  let ending: Promise<void> | undefined
  let resting: GateState | null
  try {
    resting = await attempt(endTimeoutMs, (pid) => {
      ending = end(pid).catch(() => {})
    })
  } finally {
    isOver = true
    await ending
  }
  // Counted after the last answer: the gate may close before we hear whom we ended.
  return resting === null ? undefined : { resting, ended: ended.size }
}

/** How long ending the transactions may take. */
const endTimeoutMs = 400

/** The fence is given up: the catalog has decided so before. */
export async function giveUpFence(at: Endpoint, tenantId: TenantId, fence: number): Promise<void> {
  await ask(at, (control) => control.query('select partywall.give_up_fence($1, $2)', [tenantId, fence]))
}

/** @returns when the marker of a fence is at the other place: then everything from before it is, durably. False at the deadline. */
export async function drained(
  at: Endpoint,
  { moveId, generation, fence, timeoutMs }: { moveId: string; generation: number; fence: number; timeoutMs: number },
): Promise<boolean> {
  return await at.transfer.transaction(async (connection) => {
    for (let left = timeoutMs; left > 0; left -= 1) {
      const rows = await connection.query(
        'select from partywall.move_markers as m where m.move_id = $1 and m.generation = $2 and m.fence >= $3',
        [moveId, generation, fence],
      )
      if (rows.length > 0) return true
      await wait(1)
    }
    return false
  })
}

/** The tenant is elsewhere: nobody reads or writes here any more. */
export async function retireGate(at: Endpoint, tenantId: TenantId, fence: number): Promise<void> {
  const [row] = await ask(at, (control) =>
    control.query<{ isRetired: boolean }>('select partywall.retire_gate($1, $2) as "isRetired"', [tenantId, fence]),
  )
  if (row?.isRetired !== true)
    throw new MoveFailedError(`The gate in ${at.placement.database} has seen a later fence: another process has gone on with the move.`)
}

/** Lets the tenant in where it has arrived, unless that was done already. */
export async function openGate(at: Endpoint, tenantId: TenantId, fence: number, resting: GateState): Promise<void> {
  await ask(at, (control) => control.query('select partywall.open_gate($1, $2, $3)', [tenantId, fence, resting]))
}

export async function gateState(at: Endpoint, tenantId: TenantId): Promise<GateState | undefined> {
  const [row] = await at.asOwner((control) =>
    control.query<{ state: GateState }>('select g.state from partywall.gates as g where g.tenant_id = $1', [tenantId]),
  )
  return row?.state
}
