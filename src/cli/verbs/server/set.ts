// partywall server set: corrects what the catalog says of a server.

import { ConfigurationError } from '../../../errors.ts'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { keyValues } from '../../key-values.ts'
import { verb } from '../../verb.ts'

export const set = verb({
  summary: 'Correct the region, labels or bound of a server',
  details: 'It changes no place. A region under tenants of another one is refused. Labels replace those that it has.',
  args: { server: 'its name' },
  flags: {
    region: { kind: 'text', about: 'where it is' },
    label: { kind: 'list', isWhole: true, value: 'k=json', about: 'what it may be chosen by; may be given several times' },
    tenantsMax: { kind: 'number', about: 'tenants with a database of their own on it', min: 0, max: 1_000_000 },
  },
  examples: ['partywall server set eu-2 --tenants-max 300'],
  needs: needsFleet,
  async run({ args: { server: name }, flags: { region, label, tenantsMax }, output, terminal }) {
    if (region === undefined && label.length === 0 && tenantsMax === undefined) {
      throw new ConfigurationError('Say what to change: --region, --label or --tenants-max.')
    }
    const labels = keyValues('--label', label)
    const server = await withFleet(terminal, async ({ fleet: { servers }, record }) => {
      if (region !== undefined) await servers.setRegion(name, region)
      if (label.length > 0) await servers.setLabels(name, labels)
      if (tenantsMax !== undefined) await servers.setTenantsMax(name, tenantsMax)
      await record({ action: 'server.set', tenantId: undefined, details: { server: name } })
      return await servers.get(name)
    })
    output.record({ name, region: server.region, state: server.state, labels: server.labels, tenantsMax: server.tenantsMax })
  },
})
