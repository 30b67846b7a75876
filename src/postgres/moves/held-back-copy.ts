// Holds a copy back while the neighbours suffer. PostgreSQL's replication cannot be slowed down, but what it inserts passes the guard of
// each table (sql/wall/0012-moves.sql), and one row of some hundreds waits there for a lock. Whoever holds the lock holds the copy.

import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '../../core/clock.ts'
import { CopyThrottle, type ThrottleDecision } from '../../core/copy-throttle.ts'
import type { Endpoint, MoveEnds } from './endpoint.ts'

/** The probe is looked at so often, in milliseconds: then the copy is held for its part of this time. */
const roundMs = 250
const baselineProbes = 20

export interface HeldBackCopy {
  /** How the neighbours fare; undefined before the first look, or when nothing is watched. */
  readonly latest: ThrottleDecision | undefined
  stop(): Promise<void>
}

/** Measures how quick both servers are before the copy begins. */
export async function probeBaseline(ends: MoveEnds, clock: Clock): Promise<readonly number[]> {
  const latencies: number[] = []
  for (let i = 0; i < baselineProbes; i++) latencies.push(await probe(ends, clock))
  return latencies
}

/** Watches, and holds back at the place that copies to. Stop it. */
export function holdBackCopy(
  ends: MoveEnds,
  at: Endpoint,
  { baseline, ratioMax, clock }: { baseline: readonly number[]; ratioMax: number; clock: Clock },
): HeldBackCopy {
  const throttle = new CopyThrottle({ baseline, ratioMax })
  const stopping = new AbortController()
  const state: { latest: ThrottleDecision | undefined } = { latest: undefined }
  const round = async (): Promise<void> => {
    state.latest = throttle.observe(await probe(ends, clock))
    const heldMs = state.latest.heldPart * roundMs
    if (heldMs > 0)
      await at.transfer.session(async (session) => {
        await session.query('select pg_advisory_lock(hashtextextended(current_user::text, 7305804406))')
        await wait(heldMs, undefined, { signal: stopping.signal }).catch(() => {})
        await session.query('select pg_advisory_unlock(hashtextextended(current_user::text, 7305804406))')
      })
    await wait(roundMs - heldMs, undefined, { signal: stopping.signal })
  }
  const running = (async () => {
    while (!stopping.signal.aborted) await round().catch(() => wait(roundMs).catch(() => {}))
  })()
  return {
    get latest() {
      return state.latest
    },
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}

/** What a short statement of a neighbour waits for, at the worse of the two servers. */
async function probe(ends: MoveEnds, clock: Clock): Promise<number> {
  const latencies = await Promise.all(
    [ends.source, ends.target].map(async ({ transfer }) => {
      const from = clock.monotonic()
      await transfer.query('select g.state from partywall.gates as g where g.tenant_id = $1', ['00000000-0000-0000-0000-000000000000'])
      return clock.monotonic() - from
    }),
  )
  return Math.max(...latencies)
}
