// partywall stock show: how many places wait.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { stockFlags, stockWished } from '../../stock-wish.ts'
import { verb } from '../../verb.ts'

export const show = verb({
  summary: 'Show how many places wait for new tenants',
  flags: stockFlags,
  examples: ['partywall stock show', 'partywall stock show --isolation schema --region eu --json'],
  needs: needsFleet,
  async run({ flags: { isolation, region }, output, terminal }) {
    const rows = await withFleet(terminal, async ({ config, fleet }) => {
      const configured = stockWished({ isolation: undefined, region, count: 0 }, config)
      const wished = isolation === undefined && configured.length > 0 ? configured : bothOr(isolation, region)
      const found: { isolation: string; region: string; waiting: number; wanted: number | undefined }[] = []
      for (const target of wished) {
        const wanted = configured.find((each) => each.isolation === target.isolation && each.region === target.region)?.count
        found.push({ isolation: target.isolation, region: target.region, waiting: await fleet.placements.stock.count(target), wanted })
      }
      return found
    })
    await output.table(rows, {
      ISOLATION: (row) => row.isolation,
      REGION: (row) => row.region,
      WAITING: (row) => String(row.waiting),
      WANTED: (row) => String(row.wanted ?? '-'),
    })
  },
})

function bothOr(isolation: 'schema' | 'database' | undefined, region: string) {
  const kinds = isolation === undefined ? (['schema', 'database'] as const) : [isolation]
  return kinds.map((kind) => ({ isolation: kind, region }))
}
