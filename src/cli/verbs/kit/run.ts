// partywall kit run: every attack on every table and route that is found, in a database that is thrown away.

import { checkIsolation } from '../../../testing/isolation/expect-isolated.ts'
import { testTenancy } from '../../../testing/test-tenancy.ts'
import { kitFlags, kitTarget } from '../../kit-target.ts'
import { verb } from '../../verb.ts'

export const run = verb({
  summary: 'Attack your tables and routes in a database that is thrown away',
  details:
    'Applies your migrations to a fresh database, seeds two tenants, and tries to get from one to the other. Says what was tried, what got through and what could not be reached. Ends with 1 when anything got through.',
  flags: kitFlags,
  examples: ['partywall kit run', 'partywall kit run --app src/application.ts --json'],
  async run({ flags, output, terminal }) {
    const target = await kitTarget(terminal, flags)
    await using kit = await testTenancy(target)
    const opened = await target.open(kit)
    try {
      const report = await checkIsolation(kit, { ...opened, only: target.only })
      output.lines(String(report).split('\n'), report.toJSON())
      return report.breaches.length > 0 ? 'failed' : 'done'
    } finally {
      await opened.close?.()
    }
  },
})
