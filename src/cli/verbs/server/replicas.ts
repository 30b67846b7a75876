// partywall server replicas: who follows whom.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const replicas = verb({
  summary: 'List read replicas',
  args: { server: { about: 'only those of this one', optional: true } },
  examples: ['partywall server replicas', 'partywall server replicas eu-1 --json'],
  needs: needsFleet,
  async run({ args, output, terminal }) {
    await output.table(await withFleet(terminal, ({ fleet }) => fleet.servers.listReplicas(args.server)), {
      SERVER: ({ server }) => server,
      NAME: ({ name }) => name,
      REGION: ({ region }) => region,
      STATE: ({ state }) => state,
      ADDRESS: ({ host, port }) => `${host}:${port}`,
    })
  },
})
