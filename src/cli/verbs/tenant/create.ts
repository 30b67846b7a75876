// partywall tenant create: a row in the catalog.

import { needsAdmin, withAdmin } from '../../control-plane.ts'
import { verb } from '../../verb.ts'

export const create = verb({
  summary: 'Create a tenant',
  args: { slug: 'its short name, for people and hosts: lower-case letters, digits and dashes' },
  flags: {
    name: { kind: 'text', about: 'what people call it (default: the slug)' },
    plan: { kind: 'text', about: 'its plan' },
    region: { kind: 'text', about: 'where its data must stay' },
  },
  examples: ['partywall tenant create acme', 'partywall tenant create acme --name "Acme, Inc." --plan team --region eu'],
  needs: needsAdmin,
  async run({ args, flags, output, terminal }) {
    const { slug } = args
    output.record(await withAdmin(terminal, ({ tenants }) => tenants.create({ ...flags, slug, name: flags.name ?? slug })))
  },
})
