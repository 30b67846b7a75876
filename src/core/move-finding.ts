// What stands in the way of a move, or is worth knowing before it.

import type { MoveSide } from './move.ts'

/** `refuse`: the move would fail, or harm somebody. `warn`: somebody should know. */
export type MoveFindingLevel = 'refuse' | 'warn'

/** One thing that stands in the way of a move. */
export interface MoveFinding {
  readonly rule: string
  readonly level: MoveFindingLevel
  /** Where it was found, and where `fix` is run. Null for what is in the catalog. */
  readonly at: MoveFindingPlace | null
  readonly object: string
  /** What would break, and, where no SQL mends it, what to do. */
  readonly problem: string
  /** SQL that mends it; null where a person must decide. */
  readonly fix: string | null
}

export interface MoveFindingPlace {
  readonly side: MoveSide
  /** By its name in the catalog. */
  readonly server: string
  /** As PostgreSQL knows it; null for what is the whole server's. */
  readonly database: string | null
  /** Who may run `fix`: the owner of the tables (the migrator's login), or the administrator of the server. */
  readonly as: 'owner' | 'administrator'
}
