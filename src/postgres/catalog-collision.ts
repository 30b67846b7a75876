// Rows of PostgreSQL's own catalogs that belong to the whole server, as those of roles and databases, are not waited for by GRANT, DROP OWNED
// and ALTER ROLE: of two that change the same row at once one fails with "tuple concurrently updated", an internal error without a code of its
// own and never translated (src/backend/access/heap/heapam.c, simple_heap_update). Two moves between the same databases do that.

import { setTimeout as wait } from 'node:timers/promises'
import { sqlstateOf } from './placements/placement-site.ts'

const attemptsMax = 20
const waitMs = 10

/** Runs `fn` again when it collided with another in PostgreSQL's catalogs. What it does must be whole or nothing, as one statement is. */
export async function pastCollisions<T>(fn: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fn()
    } catch (error) {
      if (attempt === attemptsMax || !isCollision(error)) throw error
      await wait(waitMs * attempt)
    }
  }
}

function isCollision(error: unknown): boolean {
  return sqlstateOf(error) === '40P01' || /tuple concurrently (updated|deleted)/.test((error as Error).message)
}
