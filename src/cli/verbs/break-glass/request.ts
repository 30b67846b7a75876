// partywall break-glass request: signed by who asks; it opens nothing yet.

import { grantScopes } from '../../../core/break-glass-documents.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { asFlag, keyFlag, staffSigner } from '../../staff-signer.ts'
import { tellGrant } from '../../told-grant.ts'
import { verb } from '../../verb.ts'

export const request = verb({
  summary: 'Ask for a grant on one tenant',
  details: 'It opens nothing until somebody else approves it, within a day. The tenant will read the reason.',
  args: { tenant: 'its id or slug' },
  flags: {
    as: asFlag,
    key: keyFlag,
    reason: { kind: 'text', value: 'why', about: 'at least ten characters; the tenant reads it', required: true },
    ticket: { kind: 'text', value: 'id', about: 'where it was asked for', required: true },
    minutes: { kind: 'number', value: 'n', about: 'how long it lasts from the approval on', min: 1, max: 240, default: 30 },
    scope: { kind: 'choice', of: grantScopes, about: 'what it lets you do', default: 'read_only' },
  },
  examples: ['partywall break-glass request acme --as ada --key ~/ada.key --reason "invoice of May is missing" --ticket SUP-4711'],
  needs: needsFleet,
  async run({ args, flags, output, terminal }) {
    const signer = await staffSigner(terminal, flags)
    const { reason, ticket, minutes } = flags
    const scope = grantScopes.find((each) => each === flags.scope)
    const grant = await withFleet(terminal, async (plane) => {
      const { id: tenantId } = await fleetTenant(plane, args.tenant)
      return await plane.fleet.breakGlass.request({ tenantId, reason, ticket, minutes, scope }, signer)
    })
    tellGrant(output, grant)
    terminal.note(`Somebody else has to say: partywall break-glass approve ${grant.id}`)
  },
})
