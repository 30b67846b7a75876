// partywall stock fill: makes places until as many wait.

import { ConfigurationError } from '../../../errors.ts'
import { assertKnowsMigrations, needsFleet, withFleet } from '../../fleet-plane.ts'
import { stockFlags, stockWished } from '../../stock-wish.ts'
import { verb } from '../../verb.ts'

export const fill = verb({
  summary: 'Make places until so many wait for new tenants',
  details: 'Schemas and databases. A server is not made in advance: register one with partywall server add --dedicated.',
  flags: { ...stockFlags, count: { kind: 'number', about: 'how many are to wait', min: 0, max: 1_000 } },
  examples: ['partywall stock fill', 'partywall stock fill --isolation database --region eu --count 5'],
  needs: needsFleet,
  async run({ flags: { isolation, region, count }, output, progress, signal, terminal }) {
    if ((isolation === undefined) !== (count === undefined)) throw new ConfigurationError('Give --isolation and --count, or neither.')
    const filled = await withFleet(terminal, async (plane) => {
      const { stock } = plane.fleet.placements
      const wished = stockWished({ isolation, region, count: count ?? 0 }, plane.config)
      if (wished.length === 0) throw new ConfigurationError('Which stock? Give --isolation and --count, or stock in partywall.config.ts.')
      const rows: object[] = []
      for (const target of wished) {
        await assertKnowsMigrations(plane, target.isolation)
        const missing = Math.max(0, target.count - (await stock.count(target)))
        progress.start(missing, `stock of ${target.isolation} in ${target.region}`)
        const made = await stock.fill({ ...target, signal, onMade: (done) => progress.advance({ done }) })
        progress.finish()
        signal.throwIfAborted()
        rows.push({ isolation: target.isolation, region: target.region, made, waiting: await stock.count(target) })
      }
      return rows
    })
    for (const row of filled) output.record(row)
  },
})
