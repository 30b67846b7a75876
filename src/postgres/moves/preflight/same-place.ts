// A move to where the tenant is.

import type { MoveCheck } from '../check.ts'

export const samePlace: MoveCheck = {
  rule: 'same-place',
  level: 'refuse',
  async check({ source, target, tenant }) {
    const { database, schema } = target.placement
    const object = `${database}.${schema}`
    if (source.placement.database === database && source.placement.schema === schema)
      return [{ at: null, object, problem: 'The tenant is there already. Name another server, database or isolation.' }]
    const own = tenant.placement
    if (own.database !== source.placement.database || own.schema !== source.placement.schema)
      return [
        {
          at: null,
          object: `${own.database}.${own.schema}`,
          problem: 'The tenant has moved since the move was thought of. Read it again.',
        },
      ]
    return []
  },
}
