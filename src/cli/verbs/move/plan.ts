// partywall move plan: many tenants to one kind of place, as a plan first.

import { isolations } from '../../../core/placement.ts'
import { ConfigurationError } from '../../../errors.ts'
import { planMoves } from '../../../operations/moves/plan.ts'
import { bulkFlags, bulkSoakDefault, carryOut, planServers, tellPlan, tenantFilter, tenantSizes, tenantsWhere } from '../../bulk-moves.ts'
import type { Outcome } from '../../exit-codes.ts'
import { assertKnowsMigrations, needsFleet, withFleet } from '../../fleet-plane.ts'
import { moveOptions } from '../../move-options.ts'
import { verb } from '../../verb.ts'

export const plan = verb({
  summary: 'Plan moves of many tenants, and carry them out',
  details:
    'Who would be moved, how much that is, in which order (the smallest first), and who would not, and why. With --execute each is moved as with move start --auto. When it was interrupted, call it again: who is there is left out, and open moves are gone on with. It ends with 3 when some failed, 4 when it stopped before the end, 130 after Ctrl-C.',
  flags: {
    where: {
      kind: 'list',
      isWhole: true,
      value: 'key=value',
      about: 'whom: plan, region, status, isolation, server or database; given several times, all must hold',
    },
    to: { kind: 'choice', of: isolations, about: 'how they are to live', required: true },
    server: { kind: 'text', about: 'this server and no other' },
    database: { kind: 'text', about: 'this database of shared tables or of schemas, by its name in the catalog' },
    ...bulkFlags,
  },
  examples: [
    'partywall move plan --where plan=enterprise --to server',
    'partywall move plan --where plan=team --where region=eu --to schema --server pg-2 --execute --reason "new plan" --concurrency 4',
  ],
  needs: needsFleet,
  async run({ flags, output, terminal, ...invocation }): Promise<Outcome> {
    const { where, to, server, database, execute, concurrency, failuresMax, reason, soak = bulkSoakDefault } = flags
    if (where.length === 0) throw new ConfigurationError('Say whom: --where plan=enterprise.')
    if (execute && reason === undefined) throw new ConfigurationError('A move needs a --reason: it is in the audit trail.')
    const filter = tenantFilter(where)
    const options = moveOptions({ ...flags, soak })
    return await withFleet(terminal, async (plane) => {
      await assertKnowsMigrations(plane, to)
      const tenants = await tenantsWhere(plane, filter)
      const planned = planMoves({
        tenants,
        destination: { to, server, database },
        sizes: await tenantSizes(plane).sizesOf(tenants),
        servers: await planServers(plane),
        open: await plane.fleet.moves.list({ open: true, limit: 1_000 }),
        concurrency,
      })
      await tellPlan(output, planned, { concurrency, isDone: execute })
      if (!execute || planned.moves.length === 0) return 'done'
      const how = { plane, reason: reason!, concurrency, failuresMax, options, signal: invocation.signal }
      return await carryOut({ output, terminal }, planned.moves, how)
    })
  },
})
