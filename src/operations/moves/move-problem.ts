// What went wrong with a move, as it is written down and told.

import type { Move, MoveProblem } from '../../core/move.ts'
import { MoveDiffersError, TenancyError } from '../../errors.ts'

export function problemOf(error: unknown): MoveProblem {
  return { code: error instanceof TenancyError ? error.code : 'PW_MOVE_FAILED', message: messageOf(error) }
}

export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 1_000)
}

/** Of a move whose last comparison found differences. */
export function differs({ id, notes }: Pick<Move, 'id' | 'notes'>): MoveDiffersError {
  const { differences } = notes
  const tables = (differences as unknown as readonly { readonly table: string }[]).map(({ table }) => table).join(', ')
  return new MoveDiffersError(
    `The two places of the move ${id} differ in ${tables}. Somebody has written at the place that does not serve, or a row was not replicated. Cancel the move, or reverse it first, and begin again.`,
    { details: { id, differences } },
  )
}
