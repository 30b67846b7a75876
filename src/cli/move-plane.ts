// Moves for one command: found by a tenant or an id, watched while something is done to them, told at the end.

import { systemClock } from '../core/clock.ts'
import { isOver, type Move, type MoveVerb } from '../core/move.ts'
import type { MoveListener } from '../operations/moves/move-event.ts'
import type { MoveStatus, Moves } from '../operations/moves/moves.ts'
import { columns } from './columns.ts'
import { type FleetPlane, fleetTenant } from './fleet-plane.ts'
import { type MoveDisplay, moveDisplay, progressText } from './move-display.ts'
import { bytesText, meaningOf, nextTexts, pauseText, placeText, remedyOf, servedText } from './move-words.ts'
import type { Output } from './output.ts'
import type { Terminal } from './verb.ts'

const pollMs = 400

export interface Watched {
  readonly output: Output
  readonly terminal: Terminal
}

/** The slug of a move's tenant; its id when the tenant is gone. */
export async function tenantOf(plane: FleetPlane, { tenantId }: Pick<Move, 'tenantId'>): Promise<string> {
  return await fleetTenant(plane, tenantId).then(
    ({ slug }) => slug,
    () => tenantId,
  )
}

/**
 * Runs `fn`, and shows meanwhile how a move gets on, also where another process drives it.
 *
 * @param ref the tenant's id, or the move's. Of a tenant, the move that was over before is not shown.
 */
export async function watchingMove<T>(
  watched: Watched,
  moves: Pick<Moves, 'status'>,
  { ref, name }: { readonly ref: string; readonly name: string },
  fn: (onProgress: MoveListener) => Promise<T>,
): Promise<T> {
  const look = async (): Promise<readonly Move[]> => [(await moves.status(ref)).move]
  return await watchingMoves(watched, { look, nameOf: () => name }, fn)
}

/** The same, for several. @param moves `look`: those that are shown, as they stand. */
export async function watchingMoves<T>(
  { output, terminal }: Watched,
  moves: { look(): Promise<readonly Move[]>; nameOf(tenantId: string): string },
  fn: (onProgress: MoveListener) => Promise<T>,
): Promise<T> {
  const display = moveDisplay({ terminal, isJson: output.isJson, clock: systemClock, nameOf: (id) => moves.nameOf(id) })
  const stop = poll(moves, display)
  try {
    return await fn(display.onProgress)
  } finally {
    await stop()
    display.finish()
  }
}

/** @returns what ends it, after the look that is under way. */
function poll(moves: { look(): Promise<readonly Move[]> }, display: MoveDisplay): () => Promise<void> {
  const overBefore = new Set<string>()
  let isFirst = true
  let looking: Promise<void> | undefined
  const look = async (): Promise<void> => {
    // A tenant that was never moved has no status yet; and a catalog that does not answer is told by whoever does the work.
    const found = await moves.look().catch(() => [])
    if (isFirst) for (const { id, state } of found) if (isOver(state)) overBefore.add(id)
    isFirst = false
    for (const move of found) if (!overBefore.has(move.id)) display.see(move)
    looking = undefined
  }
  looking = look()
  const timer = setInterval(() => {
    looking ??= look()
  }, pollMs)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await looking
  }
}

/** A move as `--json` has it. */
export function moveRecord({ move, next }: MoveStatus, tenant: string): object {
  const { notes, actor, options, ...rest } = move
  const { progress, differences, switchedAt } = notes
  return { tenant, ...rest, options, progress, differences, switchedAt, by: `${actor.kind} ${actor.id}`, next }
}

/** How a move stands, what that means, and what can be done. */
export function tellMove(output: Output, status: MoveStatus, tenant: string): void {
  output.lines(moveLines(status, tenant), moveRecord(status, tenant))
}

export function moveLines({ move, next }: MoveStatus, tenant: string): readonly string[] {
  const { id, source, target, state, pauseMs, verifiedAt, problem, notes, reason, actor, createdAt, finishedAt } = move
  const progress = notes['progress'] as Parameters<typeof progressText>[0] | undefined
  const facts: (readonly [string, string])[] = [
    ['move', id],
    ['way', `${placeText(source)} → ${placeText(target)}`],
    ['since', createdAt.toISOString()],
    ['asked by', `${actor.kind} ${actor.id}: ${reason}`],
  ]
  if (state === 'copying' && progress !== undefined) facts.push(['copied', progressText(progress)])
  if (state === 'following' && progress !== undefined) facts.push(['behind', `${bytesText(progress.lagBytes)} of the log`])
  if (pauseMs !== undefined) facts.push(['last pause', `${pauseText(pauseMs)}, as the mover saw it`])
  if (verifiedAt !== undefined) facts.push(['compared', `${verifiedAt.toISOString()}: both places were the same`])
  if (finishedAt !== undefined) facts.push(['over since', finishedAt.toISOString()])
  return [
    `${tenant}: ${state}, ${servedText(move)}`,
    meaningOf(move),
    ...columns(facts.map(([name, text]) => [`  ${name}`, text])),
    ...(problem === undefined ? [] : [`Problem: ${problem.message} (${problem.code})`, `What to do: ${remedyOf(problem, move)}`]),
    ...nextLines(next, tenant),
  ]
}

function nextLines(next: readonly MoveVerb[], tenant: string): readonly string[] {
  if (next.length === 0) return []
  return ['What can be done now:', ...columns(nextTexts(next, tenant).map(([command, does]) => [`  ${command}`, does]))]
}
