// partywall move rebalance: servers made about equally full, as a plan first.

import { ConfigurationError } from '../../../errors.ts'
import { planRebalance } from '../../../operations/moves/rebalance.ts'
import { bulkFlags, bulkSoakDefault, carryOut, planServers, tellPlan, tenantSizes, tenantsWhere } from '../../bulk-moves.ts'
import type { Outcome } from '../../exit-codes.ts'
import { assertKnowsMigrations, needsFleet, withFleet } from '../../fleet-plane.ts'
import { moveOptions } from '../../move-options.ts'
import { bytesText, countText } from '../../move-words.ts'
import { verb } from '../../verb.ts'

export const rebalance = verb({
  summary: 'Plan moves that make servers equally full, and carry them out',
  details:
    'Within each region. Tenants with a schema or a database of their own are moved, and keep their isolation; those in shared tables and those with a whole server stay. A server that is being drained is emptied. Nothing is planned while every server is within the tolerance of the mean, so that small changes move nobody. Carried out and interrupted as with move plan.',
  flags: {
    servers: { kind: 'list', value: 'names', about: 'these alone (default: all that are for more than one tenant)' },
    by: { kind: 'choice', of: ['size', 'tenants', 'load'], about: 'bytes, heads, or rows read and written in a second', default: 'size' },
    tolerance: { kind: 'number', value: 'percent', about: 'above the mean; so much more is too full', min: 1, max: 100, default: 10 },
    movesMax: { kind: 'number', about: 'moves of one plan, at most', min: 1, max: 10_000, default: 100 },
    ...bulkFlags,
  },
  examples: ['partywall move rebalance', 'partywall move rebalance --servers pg-1,pg-2 --by load --execute --reason "pg-1 is hot"'],
  needs: needsFleet,
  async run({ flags, output, terminal, ...invocation }): Promise<Outcome> {
    const { servers: names, by, tolerance, movesMax, execute, concurrency, failuresMax, reason, soak = bulkSoakDefault } = flags
    if (execute && reason === undefined) throw new ConfigurationError('A move needs a --reason: it is in the audit trail.')
    const options = moveOptions({ ...flags, soak })
    return await withFleet(terminal, async (plane) => {
      const all = await planServers(plane)
      const unknown = names.filter((name) => all.every((server) => server.name !== name))
      if (unknown.length > 0) throw new ConfigurationError(`There is no server ${unknown.join(', ')}. See partywall server list.`)
      const servers = all.filter(({ name }) => names.length === 0 || names.includes(name))
      await assertKnowsMigrations(plane, 'schema')
      const tenants = await tenantsWhere(plane, {})
      const planned = planRebalance({
        tenants,
        servers,
        sizes: await tenantSizes(plane).sizesOf(tenants),
        open: await plane.fleet.moves.list({ open: true, limit: 1_000 }),
        by: by as 'size' | 'tenants' | 'load',
        movesMax,
        tolerance: tolerance / 100,
        concurrency,
      })
      const text = by === 'size' ? bytesText : countText
      await output.table(
        planned.weights.map((weight) => ({ kind: 'weight', by, ...weight })),
        {
          SERVER: ({ server }) => server,
          REGION: ({ region }) => region,
          [`${by.toUpperCase()} NOW`]: ({ before }) => text(before),
          'AND THEN': ({ after }) => text(after),
        },
      )
      await tellPlan(output, planned, { concurrency, isDone: execute })
      if (!execute || planned.moves.length === 0) return 'done'
      const how = { plane, reason: reason!, concurrency, failuresMax, options, signal: invocation.signal }
      return await carryOut({ output, terminal }, planned.moves, how)
    })
  },
})
