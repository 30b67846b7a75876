// A plan, carried out: a few moves at a time, one result for each tenant. Each move is journaled by itself, so that a process which dies
// here leaves moves that any other goes on with; and the plan that is made next leaves out what is done.

import { setTimeout as wait } from 'node:timers/promises'
import type { Actor } from '../../core/actor.ts'
import { isOver, type Move, type MoveOptions } from '../../core/move.ts'
import type { TenantId } from '../../core/tenant.ts'
import { AbortedError, InternalError, MoveFailedError, TenancyError } from '../../errors.ts'
import type { MoveListener } from './move-event.ts'
import type { MoveDestination, PlannedMove } from './plan.ts'

/** What it needs of the fleet's moves. */
export interface BulkMoves {
  start(ref: string, request: MoveOptions & MoveDestination, options: BulkVerbOptions): Promise<Move>
  status(ref: string): Promise<{ readonly move: Move }>
  switch(ref: string, options: BulkVerbOptions): Promise<Move>
  complete(ref: string, options: BulkVerbOptions): Promise<Move>
  /** Drives what nobody drives, until the signal fires. */
  keep(options: { readonly signal: AbortSignal; readonly onProgress?: MoveListener | undefined }): Promise<void>
}

export interface BulkVerbOptions {
  readonly actor: Actor
  readonly reason: string
  readonly onProgress?: MoveListener | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ExecuteOptions extends BulkVerbOptions {
  readonly moves: BulkMoves
  /** Moves at a time. */
  readonly concurrency: number
  /** After so many failures nothing more is begun. */
  readonly failuresMax: number
  readonly options?: MoveOptions | undefined
  /** Told of each as it ends. */
  readonly onResult?: ((result: BulkResult) => void) | undefined
}

/** `done`: it is there. `failed`: its move stands, or was refused; see `error`. `left`: it was not begun. */
export interface BulkResult {
  readonly tenantId: TenantId
  readonly slug: string
  readonly state: 'done' | 'failed' | 'left'
  readonly move?: Move | undefined
  readonly error?: TenancyError | undefined
}

/** A move that another process began is looked at so often. */
const pollMs = 250

/** @returns one result for each, in the plan's order. It does not throw: what failed is told beside what did not. */
export async function executePlan(planned: readonly PlannedMove[], options: ExecuteOptions): Promise<readonly BulkResult[]> {
  const { concurrency, failuresMax, signal, onResult } = options
  const results = new Map<TenantId, BulkResult>()
  const keeping = new AbortController()
  // Of moves that are gone on with, those whose process died have nobody else to drive them.
  const isResuming = planned.some(({ moveId }) => moveId !== undefined)
  const keeper = isResuming ? options.moves.keep({ signal: keeping.signal, onProgress: options.onProgress }) : Promise.resolve()
  let [next, failures] = [0, 0]
  const line = async (): Promise<void> => {
    while (next < planned.length && failures < failuresMax && signal?.aborted !== true) {
      const one = planned[next++]!
      const result = await carriedOut(one, options)
      if (result.state === 'failed') failures += 1
      results.set(one.tenantId, result)
      onResult?.(result)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, line))
  keeping.abort()
  await keeper.catch(() => {})
  return planned.map(({ tenantId, slug }) => results.get(tenantId) ?? { tenantId, slug, state: 'left' })
}

async function carriedOut(planned: PlannedMove, options: ExecuteOptions): Promise<BulkResult> {
  const { tenantId, slug, moveId } = planned
  try {
    const move = moveId === undefined ? await begun(planned, options) : await goneOn(moveId, options)
    if (move.state === 'done') return { tenantId, slug, state: 'done', move }
    return { tenantId, slug, state: 'failed', move, error: new MoveFailedError(`The move ${move.id} was ${move.state} by somebody else.`) }
  } catch (error) {
    // Who stops the plan leaves the move where it stands.
    if (error instanceof AbortedError) return { tenantId, slug, state: 'left' }
    const told = error instanceof TenancyError ? error : new InternalError(`The move failed: ${String(error)}`, { cause: error })
    return { tenantId, slug, state: 'failed', error: told }
  }
}

async function begun({ tenantId, destination }: PlannedMove, { moves, options, ...rest }: ExecuteOptions): Promise<Move> {
  return await moves.start(tenantId, { ...options, ...destination, auto: true }, verbOptions(rest))
}

/** To its end: one that waits for a person to say so is told to go on. */
async function goneOn(id: string, { moves, signal, ...rest }: ExecuteOptions): Promise<Move> {
  for (;;) {
    if (signal?.aborted === true) throw new AbortedError('The plan was stopped. Its moves stand; plan again to go on with them.')
    const { move } = await moves.status(id)
    if (isOver(move.state)) return move
    const isWaiting = move.state === 'following' && move.wish === undefined && move.options.auto !== true
    if (isWaiting) await (move.serving === 'source' ? moves.switch : moves.complete).call(moves, id, verbOptions({ signal, ...rest }))
    else if (move.problem !== undefined && move.wish === undefined)
      throw new MoveFailedError(`The move ${id} is ${move.state}: ${move.problem.message}`, { details: { id, code: move.problem.code } })
    else await wait(pollMs)
  }
}

function verbOptions({ actor, reason, onProgress, signal }: BulkVerbOptions): BulkVerbOptions {
  return { actor, reason, onProgress, signal }
}
