// partywall move verify: compares both places behind a short pause.

import { moveVerb } from '../../move-verb.ts'

export const verify = moveVerb('verify', {
  summary: 'Compare both places of a move, row by row',
  details:
    'The tenant’s writes pause for some milliseconds, so that both places stand still; its reads go on. What differs is listed with keys of some rows, and the command ends with 1.',
  examples: ['partywall move verify acme'],
})
