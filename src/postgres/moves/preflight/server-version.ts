// Versions of PostgreSQL between which a tenant can move.

import { type MoveCheck, onEachServer } from '../check.ts'

/** `origin = none` and `run_as_owner`: without them what comes back would be sent again. */
const versionMin = 160_000
const versionWanted = 170_000

export const serverVersion: MoveCheck = {
  rule: 'server-version',
  level: 'refuse',
  check: (survey) =>
    onEachServer(survey, ({ placement, server: { version } }) => {
      if (version >= versionWanted) return []
      const major = Math.floor(version / 10_000)
      return [
        version < versionMin
          ? { object: placement.server, problem: `PostgreSQL ${major} cannot take part in live moves: upgrade the server to 16 or later.` }
          : {
              level: 'warn' as const,
              object: placement.server,
              problem: `PostgreSQL ${major} does not carry replication over when the server fails over to a standby: the move would have to begin again. Upgrade to 17 or later.`,
            },
      ]
    }),
}
