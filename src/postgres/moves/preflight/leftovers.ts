// What earlier moves left on the two servers: it takes slots that this one needs, and keeps the log.

import { MemorySecretStore } from '../../../core/memory-secret-store.ts'
import { type MoveCheck, onServer, type SaidAt } from '../check.ts'
import { findLeftovers, type Leftover } from '../leftovers.ts'

export const leftovers: MoveCheck = {
  rule: 'leftovers',
  level: 'warn',
  async check({ source, target, connections, catalog }) {
    const places = [source, target].filter(({ server }) => server !== undefined)
    const { found } = await findLeftovers(
      { connections, catalog, secrets: new MemorySecretStore() },
      {
        servers: places.map(({ placement }) => placement.server),
        databases: places.flatMap(({ databaseName }) => (databaseName === undefined ? [] : [databaseName])),
      },
    )
    // A login takes nothing that a move needs; and one may be there at this moment, to try what another check asks.
    const inTheWay = found.filter(({ kind }) => kind !== 'login')
    return inTheWay.map((leftover): SaidAt => {
      const place = places.find(({ placement }) => placement.server === leftover.server) ?? source
      return {
        at: onServer(place),
        object: `${leftover.kind} ${leftover.name}`,
        problem: `${whose(leftover)} left it${leftover.database === null ? '' : ` in ${leftover.database}`}: it keeps the server's log, or a place that is needed. Let the moves be cleared away (reap), which knows the order.`,
      }
    })
  },
}

function whose({ id }: Leftover): string {
  return id === null ? 'The copy of a table' : `The move or transfer ${id}, which is not going on,`
}
