// partywall tenant rename: another slug, another name, or both. Nothing is keyed by either.

import { ConfigurationError } from '../../../errors.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const rename = verb({
  summary: 'Give a tenant another slug or name',
  args: { tenant: 'its id or slug' },
  flags: {
    slug: { kind: 'text', about: 'its new slug: hosts and links with the old one end' },
    name: { kind: 'text', about: 'what people call it from now on' },
  },
  examples: ['partywall tenant rename acme --slug acme-two --name "Acme Two"'],
  needs: needsFleet,
  async run({ args, flags: { slug, name }, output, terminal }) {
    if (slug === undefined && name === undefined) throw new ConfigurationError('Say what to rename: --slug, --name, or both.')
    const change = { ...(slug !== undefined && { slug }), ...(name !== undefined && { name }) }
    const renamed = await withFleet(terminal, async (plane) => {
      const { id } = await fleetTenant(plane, args.tenant)
      await plane.fleet.tenants.rename(id, change, { actor: plane.actor })
      return await fleetTenant(plane, id)
    })
    output.record(renamed)
  },
})
