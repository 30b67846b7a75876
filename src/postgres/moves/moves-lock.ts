// Migrations wait for moves, and moves for migrations: tables that rows are copied from or to keep their shape.

import { OperationInProgressError } from '../../errors.ts'
import type { ControlConnection, ControlPool } from '../control-pool.ts'

/** Held in shared mode by whoever migrates or is about to; a move takes it to begin (sql/catalog/0008-moves.sql). */
export const movesLock = 7305804409

/**
 * Runs `fn` while no move begins, unless somebody moves from or to the shared tables of the catalog's own database.
 *
 * @param catalog the migrator's connections to a database; in one without a catalog there are no moves.
 * @throws {OperationInProgressError} naming the move.
 */
export async function withoutMoves<T>(catalog: ControlPool, fn: () => Promise<T>): Promise<T> {
  return await catalog.session(async (session) => {
    const [has] = await session.query<{ moves: boolean }>(`select to_regclass('partywall.moving_places') is not null as moves`)
    if (has?.moves !== true) return await fn()
    await session.query('select pg_advisory_lock_shared($1)', [movesLock])
    try {
      await assertUnmoved(session)
      return await fn()
    } finally {
      await session.query('select pg_advisory_unlock_shared($1)', [movesLock])
    }
  })
}

async function assertUnmoved(session: ControlConnection): Promise<void> {
  const [move] = await session.query<{ id: string; tenantId: string }>(
    `select p.move_id as id, p.tenant_id as "tenantId"
       from partywall.moving_places as p
      where p.database_name = 'main' and p.schema_name = 'app'
      order by p.move_id
      limit 1`,
  )
  if (move === undefined) return
  throw new OperationInProgressError(
    `The move ${move.id} is from or to the shared tables: they keep their shape until it is complete or cancelled. See partywall move status.`,
    { details: { kind: 'move', moveId: move.id, tenantId: move.tenantId } },
  )
}
