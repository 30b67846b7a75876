// The journal of moves: a port with one adapter (postgres/moves/move-journal.ts). Its two transactions are the heart of a move: the
// fence that is claimed, and the switch that is committed or has been given up by then. All times are by the catalog's clock.

import type { Actor } from '../../core/actor.ts'
import type { Move, MoveOptions, MoveProblem, MoveState, MoveVerb } from '../../core/move.ts'
import type { Placement } from '../../core/placement.ts'
import type { GateState } from '../../core/placement-adapter.ts'
import type { Json, TenantId } from '../../core/tenant.ts'

export interface NewMove {
  readonly id: string
  readonly tenantId: TenantId
  readonly source: Placement
  readonly target: Placement
  readonly options: MoveOptions
  readonly actor: Actor
  readonly reason: string
}

/** Under which the work is done: what is written counts only while it stands. */
export interface MoveClaim {
  readonly id: string
  readonly owner: string
  readonly attempt: number
}

/** What is written down beside the new state. Undefined leaves what is there; null forgets it. */
export interface MoveAdvance {
  readonly notes?: Readonly<Record<string, Json>> | undefined
  readonly wish?: null | undefined
  readonly problem?: MoveProblem | null | undefined
  readonly verifiedAt?: 'now' | null | undefined
  readonly pauseMs?: number | undefined
  /** When there is something to do next, in milliseconds from now. Default: at once. */
  readonly dueMs?: number | undefined
}

export interface ClaimedFence {
  readonly fence: number
  /** By the catalog's clock, ISO 8601. */
  readonly until: string
}

export interface MoveListOptions {
  readonly tenantId?: TenantId | undefined
  readonly state?: MoveState | undefined
  /** Only those that are not over. */
  readonly open?: boolean | undefined
  /** 1 to 1,000; default 100. */
  readonly limit?: number | undefined
}

export interface MoveJournal {
  /** @throws {OperationInProgressError} when a move or another operation of the tenant is not over, or a place is being migrated. */
  begin(move: NewMove): Promise<Move>
  find(id: string): Promise<Move | undefined>
  /** The tenant's move that is not over, or else its last one. */
  findOf(tenantId: TenantId): Promise<Move | undefined>
  /** The newest first. */
  list(options?: MoveListOptions): Promise<readonly Move[]>
  /** Asks for something. The one before it is forgotten. @returns undefined when the move is over. */
  wish(id: string, verb: MoveVerb): Promise<Move | undefined>

  /** Takes a move that has something to do and that nobody works on: its owner is dead, or it has none. */
  claimDue(owner: string, leaseMs: number, id?: string): Promise<Move | undefined>
  /** @returns false when the claim is lost. */
  extend(claim: MoveClaim, leaseMs: number): Promise<boolean>
  /** Lets others take it, `dueMs` from now. */
  release(claim: MoveClaim, dueMs: number): Promise<void>
  /** From one state to another, or to the same. @returns undefined when the claim is lost, or the state is not `from` any more. */
  advance(claim: MoveClaim, from: MoveState, to: MoveState, advance?: MoveAdvance): Promise<Move | undefined>

  /** `following` → `fencing`. @throws {OperationInProgressError} while another operation of the tenant is not over. */
  claimFence(claim: MoveClaim, fenceMs: number): Promise<ClaimedFence | undefined>
  /** `fencing` → `following`: from its return on the fence cannot be committed. */
  giveUpFence(claim: MoveClaim, fence: number, problem: MoveProblem | null): Promise<Move | undefined>
  /**
   * The switch: `fencing` → `switched` with the tenant's own row, in one transaction.
   *
   * @returns undefined when the fence was given up, is past its deadline, or the claim is lost: then nothing was changed.
   */
  commitSwitch(claim: MoveClaim, fence: number, arrival: { readonly to: Placement; readonly resting: GateState }): Promise<Move | undefined>
}
