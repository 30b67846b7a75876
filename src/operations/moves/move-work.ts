// What a move needs done in the two databases: a port, which PostgreSQL's side implements (postgres/moves/). Every verb may be repeated,
// by another process too, and takes up what it finds half done.

import type { Move, MoveProblem, MoveProgress } from '../../core/move.ts'
import type { GateState } from '../../core/placement-adapter.ts'
import type { Json } from '../../core/tenant.ts'
import type { ClaimedFence } from './move-journal.ts'

export interface MoveContext {
  readonly signal: AbortSignal
  /** Tells whoever watches, and writes it down now and then. */
  progress(progress: MoveProgress): void
  /** One sentence about what is waited for. */
  tell(message: string): void
}

/** One table whose rows are not the same in both places. */
export interface TableDifference {
  readonly table: string
  readonly source: { readonly rows: number; readonly digest: string }
  readonly target: { readonly rows: number; readonly digest: string }
  /** Keys of some of the rows: of those that are in one place alone, or differ. */
  readonly keys: readonly string[]
}

/** Both places, held at one consistent point. Nothing waits for what is read there. */
export interface HeldSnapshots {
  /** Counts and content of every table. @returns the tables that differ; none when all is well. */
  compare(context: MoveContext): Promise<readonly TableDifference[]>
  close(): Promise<void>
}

/** Connections to both places of a move. */
export interface MoveSession {
  /** Publishes both places, and makes the slot. */
  prepare(move: Move, context: MoveContext): Promise<Readonly<Record<string, Json>>>
  /** Copies every table, and resolves when replication follows. @throws {AbortedError} when the signal fires. */
  copy(move: Move, context: MoveContext): Promise<void>
  /** Makes ready for a switch: statistics, the slot of the way back, writes that can be waited for. */
  settle(move: Move, context: MoveContext): Promise<void>
  /** Looks after a move that follows; `isCurrent` asks whether it is this process's still. @returns what is wrong with it, if anything is. */
  tend(move: Move, isCurrent: () => Promise<boolean>): Promise<{ readonly problem: MoveProblem | undefined; readonly lagBytes: number }>
  /** Waits for transactions that began before the tenant was known to move. @returns since when all writes are known: closeGate asks. */
  waitForOlder(move: Move, context: MoveContext): Promise<string>

  /** @see switchSteps */
  announce(move: Move, fence: ClaimedFence): Promise<void>
  closeGate(move: Move, fence: ClaimedFence, since: string): Promise<{ readonly resting: GateState; readonly ended: number } | undefined>
  drain(move: Move, fence: ClaimedFence, timeoutMs: number): Promise<boolean>
  holdSnapshots(move: Move): Promise<HeldSnapshots>
  /** Opens the gate of a fence that the catalog has given up. */
  reopen(move: Move, fence: number): Promise<void>
  /** Of a move that was switched: `move.serving` is the new place. */
  retire(move: Move): Promise<void>
  open(move: Move, resting: GateState): Promise<void>

  /** Replication the other way. */
  turn(move: Move, context: MoveContext): Promise<void>
  /** Removes replication, the place that does not serve, and whatever else is the move's. */
  finish(move: Move, context: MoveContext): Promise<void>
  close(): Promise<void>
}

export interface MoveWork {
  /** Makes the place that the tenant is to have, empty and closed. */
  provision(move: Move, context: MoveContext): Promise<void>
  /** Connects to both places. */
  open(move: Move): Promise<MoveSession>
}

/** What belongs to a tenant outside its tables and cannot be replicated by PostgreSQL: files, an index, keys of its region. */
export interface TenantMover {
  /** Shown in progress and errors. */
  readonly name: string
  /** Before the switch: copies what is there, and may be called again. */
  copy(tenant: { readonly id: string }, move: Pick<Move, 'id' | 'source' | 'target'>, signal: AbortSignal): Promise<void>
  /** After the switch, and again after a switch back: `serving` serves now. */
  switched(tenant: { readonly id: string }, move: Pick<Move, 'id' | 'source' | 'target' | 'serving'>): Promise<void>
  /** The move is over: removes what is at the place that does not serve. */
  finished(tenant: { readonly id: string }, move: Pick<Move, 'id' | 'source' | 'target' | 'serving'>): Promise<void>
}
