// partywall server check: asks a server how it is.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { tellServer } from '../../told-server.ts'
import { verb } from '../../verb.ts'

export const check = verb({
  summary: 'Ask a server how it is, and whether it is fit to hold tenants',
  details: 'Ends with 1 when it does not answer, or may hold no tenants.',
  args: { server: 'its name' },
  examples: ['partywall server check eu-2', 'partywall server check main --json'],
  needs: needsFleet,
  async run({ args, output, terminal }) {
    const report = await withFleet(terminal, ({ fleet }) => fleet.servers.check(args.server))
    tellServer({ output, terminal }, report)
    return report.findings.some(({ severity }) => severity === 'refused') ? 'failed' : 'done'
  },
})
