// partywall move list: the newest first.

import { moveStates } from '../../../core/move.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { tenantOf } from '../../move-plane.ts'
import { pauseText, placeText } from '../../move-words.ts'
import { verb } from '../../verb.ts'

export const list = verb({
  summary: 'List moves, the newest first',
  flags: {
    state: { kind: 'choice', of: moveStates, about: 'only those in this state' },
    open: { kind: 'switch', about: 'only those that are not over' },
    tenant: { kind: 'text', about: 'only those of this tenant: its id or slug' },
    limit: { kind: 'number', about: 'at most so many', min: 1, max: 1_000, default: 100 },
  },
  examples: ['partywall move list --open', 'partywall move list --tenant acme --json'],
  needs: needsFleet,
  async run({ flags: { state, open, tenant, limit }, output, terminal }) {
    const rows = await withFleet(terminal, async (plane) => {
      const tenantId = tenant === undefined ? undefined : (await fleetTenant(plane, tenant)).id
      const moves = await plane.fleet.moves.list({ state, open, tenantId, limit })
      const names = new Map<string, string>()
      for (const move of moves) if (!names.has(move.tenantId)) names.set(move.tenantId, await tenantOf(plane, move))
      return moves.map(({ notes: _, ...move }) => ({ tenant: names.get(move.tenantId)!, ...move }))
    })
    await output.table(rows, {
      TENANT: (row) => row.tenant,
      STATE: (row) => row.state,
      SERVING: ({ serving }) => serving,
      FROM: ({ source }) => placeText(source),
      TO: ({ target }) => placeText(target),
      PAUSE: ({ pauseMs }) => (pauseMs === undefined ? '-' : pauseText(pauseMs)),
      SINCE: ({ createdAt }) => createdAt.toISOString(),
      ID: ({ id }) => id,
      PROBLEM: ({ problem }) => problem?.message ?? '-',
    })
  },
})
