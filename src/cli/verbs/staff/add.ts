// partywall staff add: a person and their public key.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const add = verb({
  summary: 'Add a person who may ask for grants and approve them',
  details: 'Ask for the public key in person: whoever is added here can approve what another asks for.',
  args: { id: 'a short name: a-z, 0-9, - and _' },
  flags: {
    name: { kind: 'text', about: 'the whole name', required: true },
    publicKey: { kind: 'text', value: 'key', about: 'as partywall staff key printed it for them', required: true },
  },
  examples: ['partywall staff add ada --name "Ada Lovelace" --public-key 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'],
  needs: needsFleet,
  async run({ args: { id }, flags: { name, publicKey }, output, terminal }) {
    output.record(await withFleet(terminal, ({ fleet, actor }) => fleet.staff.add({ id, name, publicKey }, actor)))
  },
})
