// partywall tenant onboard: a place, the wall, seeds, a first user; open at the end.

import { onboardVerb } from '../../onboard-verb.ts'

export const onboard = onboardVerb({
  summary: 'Make a tenant: place, wall, seeds, first user',
  details:
    'Killed at any point, it is gone on with by partywall operation resume. What refuses it leaves nothing behind. A schema needs a database for schemas first: partywall database create.',
  examples: [
    'partywall tenant onboard acme --plan enterprise --region eu --admin-email ada@acme.example',
    'partywall tenant onboard globex --isolation schema --feature sso=true --feature seats=20 --dry-run',
  ],
  showsProgress: true,
})
