// partywall tenant create: onboarding that prints the tenant and nothing else.

import { onboardVerb } from '../../onboard-verb.ts'

export const create = onboardVerb({
  summary: 'Create a tenant, and print it',
  details: 'The same as tenant onboard, without progress: with --json the tenant is the only line.',
  examples: ['partywall tenant create acme', 'partywall tenant create acme --name "Acme, Inc." --plan team --region eu'],
  showsProgress: false,
})
