// partywall server remove: strikes an empty server from the fleet.

import { AbortedError } from '../../../errors.ts'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { confirmByName } from '../../prompts.ts'
import { verb } from '../../verb.ts'

export const remove = verb({
  summary: 'Strike an empty server from the fleet, with its secrets',
  details: 'Refused while a database of ours is there. What is on the server stays as it is. Repeat it after a failure.',
  args: { server: 'its name' },
  flags: {
    reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true },
    yes: { kind: 'switch', about: 'do not ask for its name' },
  },
  examples: ['partywall server remove eu-2 --reason "returned" --yes'],
  needs: needsFleet,
  async run({ args: { server: name }, flags: { reason, yes }, output, terminal }) {
    const message = `The passwords of ${name} will be forgotten.`
    if (!yes && !(await confirmByName(terminal, { message, instead: '--yes', name }))) {
      throw new AbortedError('That is not its name. Nothing was done.')
    }
    await withFleet(terminal, async ({ fleet, record }) => {
      await fleet.servers.remove(name)
      await record({ action: 'server.remove', tenantId: undefined, reason, details: { server: name } })
    })
    output.record({ name, state: 'removed' })
  },
})
