// partywall operation list: the newest first.

import { operationKinds } from '../../../operations/operations.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const list = verb({
  summary: 'List operations, the newest first',
  flags: {
    state: { kind: 'choice', of: ['running', 'waiting', 'failed', 'done', 'cancelled'], about: 'only those in this state' },
    kind: { kind: 'choice', of: operationKinds, about: 'only those of this kind' },
    tenant: { kind: 'text', about: 'only those on this tenant: its id or slug' },
    limit: { kind: 'number', about: 'at most so many', min: 1, max: 1_000, default: 100 },
  },
  examples: ['partywall operation list', 'partywall operation list --state waiting --kind offboard --json'],
  needs: needsFleet,
  async run({ flags: { state, kind, tenant, limit }, output, terminal }) {
    const operations = await withFleet(terminal, async (plane) => {
      const tenantId = tenant === undefined ? undefined : (await fleetTenant(plane, tenant)).id
      return await plane.fleet.tenants.list({ state, kind, tenantId, limit })
    })
    await output.table(operations, {
      ID: ({ id }) => id,
      KIND: ({ kind: of }) => of,
      STATE: ({ state: now, cancelling }) => (cancelling && now !== 'cancelled' ? `${now}, being undone` : now),
      TENANT: ({ tenantId }) => tenantId,
      SINCE: ({ createdAt }) => createdAt.toISOString(),
      'WAITS UNTIL': ({ wakeAt }) => wakeAt?.toISOString() ?? '-',
      PROBLEM: ({ error }) => (error === undefined ? '-' : `${error.step}: ${error.message}`),
    })
  },
})
