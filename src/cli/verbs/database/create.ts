// partywall database create: a database for schemas, with the wall in it.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const create = verb({
  summary: 'Make a database for schemas of tenants’ own',
  details:
    'With the wall in it and no tables. Repeat it after a failure. The server’s administrator must be known: partywall server add, or server adopt-main.',
  args: { name: 'its name, in the catalog and on the server: lower-case letters, digits, _ and -' },
  flags: {
    holds: { kind: 'choice', of: ['schema'], about: 'what tenants have in it', default: 'schema' },
    server: { kind: 'text', about: 'where', default: 'main' },
    tenantsMax: { kind: 'number', about: 'schemas that it may hold (default: any number)', min: 1, max: 1_000_000 },
  },
  examples: [
    'partywall database create schemas-1 --holds schema --server main',
    'partywall database create eu-schemas --server eu-1 --tenants-max 5000',
  ],
  needs: needsFleet,
  async run({ args: { name }, flags: { holds, server, tenantsMax }, output, terminal }) {
    await withFleet(terminal, async ({ fleet, record }) => {
      await fleet.placements.schemaDatabases.create({ server, name, tenantsMax })
      await record({ action: 'database.create', tenantId: undefined, details: { database: name, server, holds } })
    })
    output.record({ name, server, holds, state: 'ready' })
  },
})
