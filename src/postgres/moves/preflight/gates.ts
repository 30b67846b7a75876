// What the two databases say of the tenant: at the source that it is there, at the target that it is not.

import { inDatabase, type MoveCheck, type SaidAt } from '../check.ts'
import type { MovePlace } from '../survey.ts'

interface Gate {
  readonly state: string
  readonly bigint: string | null
  readonly text: string | null
}

export const gates: MoveCheck = {
  rule: 'gates',
  level: 'refuse',
  async check({ source, target, tenant }) {
    const found: SaidAt[] = []
    for (const place of [source, target]) {
      if (!place.isMade) continue
      const gate = await gateOf(place, tenant.id)
      const object = `gate of ${tenant.id}`
      const at = inDatabase(place)
      if (gate === undefined) {
        if (place.side === 'source')
          found.push({
            at,
            object,
            problem: 'The tenant has no gate at the source: its writes could not be held back for the switch.',
            fix: `select partywall.set_gate('${tenant.id}', 'suspended');`,
          })
        continue
      }
      const isOther = (own: string | undefined, its: string | null): boolean => its !== null && its !== (own ?? null)
      if (isOther(tenant.keys.bigint, gate.bigint) || isOther(tenant.keys.text, gate.text))
        found.push({
          at,
          object,
          problem: 'The database knows the tenant by another key than the catalog does: its rows there are another’s.',
        })
      if (place.side === 'target' && ['open', 'read_only', 'moving'].includes(gate.state))
        found.push({
          at,
          object,
          problem: `The target’s gate is ${gate.state}: the tenant could be served in two places at once.`,
          fix: `select partywall.set_gate('${tenant.id}', 'suspended');`,
        })
    }
    return found
  },
}

async function gateOf(place: MovePlace, tenantId: string): Promise<Gate | undefined> {
  const [gate] = await place.query<Gate>(
    'select g.state, g.key_bigint::text as bigint, g.key_text as text from partywall.gates as g where g.tenant_id = $1',
    [tenantId],
  )
  return gate
}
