// How far a replica is behind, in time, without believing any clock but our own: we ask the primary how long its log is, note
// when we asked, and ask the replica how far it has replayed. What the primary had at that time is then on the replica.
//
//   primary   12:00:00 → 0/5000    12:00:01 → 0/5100    12:00:02 → 0/6000
//   replica   has replayed 0/5100: it is as the primary was at 12:00:01, or newer
//
// pg_last_xact_replay_timestamp() would not do: it stands still when nothing is written, and a replica that has lost its primary
// has replayed all that it received. https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-RECOVERY-CONTROL

import type { Clock } from '../core/clock.ts'
import type { ControlConnection } from './control-pool.ts'

interface Position {
  readonly askedAt: number
  readonly position: bigint
}

/** Positions of one primary that are remembered: bounds how old a replica can be shown to be. */
const positionsMax = 600

/** What a primary has written, and when we knew. */
export class PrimaryPositions {
  readonly #clock: Clock
  readonly #everyMs: number
  readonly #positions: Position[] = []
  #asking: Promise<void> | undefined
  #askedAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, everyMs: number) {
    this.#clock = clock
    this.#everyMs = everyMs
  }

  /** Asks, unless somebody did a moment ago. Rejects when the primary does not answer. */
  async ask(primary: ControlConnection): Promise<void> {
    if (this.#asking !== undefined) return await this.#asking
    const askedAt = this.#clock.monotonic()
    if (askedAt - this.#askedAt < this.#everyMs) return
    this.#askedAt = askedAt
    this.#asking = this.#note(primary, askedAt).finally(() => {
      this.#asking = undefined
    })
    await this.#asking
  }

  /** When, at the latest, was the primary as a replica is that has replayed so far? In monotonic milliseconds; undefined for never seen. */
  latestWithin(replayed: bigint): number | undefined {
    return this.#positions.findLast(({ position }) => position <= replayed)?.askedAt
  }

  async #note(primary: ControlConnection, askedAt: number): Promise<void> {
    // Of what is inserted, not of what is flushed: a commit that did not wait for the disk counts too.
    const [row] = await primary.query<{ position: string }>(
      `select (pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text as position`,
    )
    this.#positions.push({ askedAt, position: BigInt(row!.position) })
    if (this.#positions.length > positionsMax) this.#positions.shift()
  }
}

/** One replica, as seen through one database of it. */
export class ReplicaFreshness {
  readonly #clock: Clock
  readonly #positions: PrimaryPositions
  readonly #everyMs: number
  #freshAt: number | undefined
  #askedAt = Number.NEGATIVE_INFINITY
  #isAsking = false

  constructor(clock: Clock, positions: PrimaryPositions, everyMs: number) {
    this.#clock = clock
    this.#positions = positions
    this.#everyMs = everyMs
  }

  /** How old, at most, what it shows is, in milliseconds. Infinite for one that is broken, or not known yet. */
  get ageMs(): number {
    return this.#freshAt === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonic() - this.#freshAt
  }

  /** It failed: nobody is sent there until it has answered. */
  distrust(): void {
    this.#freshAt = undefined
    this.#askedAt = Number.NEGATIVE_INFINITY
  }

  /** Is it time to look again? */
  get isDue(): boolean {
    return !this.#isAsking && this.#clock.monotonic() - this.#askedAt >= this.#everyMs
  }

  /** Asks both. Never rejects: a replica that does not answer is infinitely old. */
  async look(primary: ControlConnection, replica: ControlConnection): Promise<void> {
    this.#isAsking = true
    this.#askedAt = this.#clock.monotonic()
    try {
      // A primary that does not answer is no reason to distrust the replica: what it has is known, and grows old.
      await this.#positions.ask(primary).catch(() => {})
      const [row] = await replica.query<{ isReplica: boolean; replayed: string | null }>(
        `select pg_catalog.pg_is_in_recovery() as "isReplica", (pg_catalog.pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::text as replayed`,
      )
      // One that was promoted goes its own way, and is no replica of ours any more.
      const isReplica = row?.isReplica === true && row.replayed !== null
      this.#freshAt = isReplica ? this.#positions.latestWithin(BigInt(row.replayed!)) : undefined
    } catch {
      this.#freshAt = undefined
    } finally {
      this.#isAsking = false
    }
  }
}
