// Both servers are written to.

import { type MoveCheck, onEachServer } from '../check.ts'

export const primary: MoveCheck = {
  rule: 'primary',
  level: 'refuse',
  check: (survey) =>
    onEachServer(survey, ({ placement, server }) =>
      server.isReplica
        ? [
            {
              object: placement.server,
              problem: 'The server is a replica: nothing can be written there. Register its primary; or, if that is gone, promote it.',
              fix: 'select pg_catalog.pg_promote();',
            },
          ]
        : [],
    ),
}
