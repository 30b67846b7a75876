// partywall move reverse: back, without loss.

import { moveVerb } from '../../move-verb.ts'

export const reverse = moveVerb('reverse', {
  summary: 'Let the source of a move serve the tenant again',
  details:
    'At the same cost as the switch. Nothing that was written since is lost. Then partywall move cancel removes what was copied, or partywall move switch tries again.',
  examples: ['partywall move reverse acme'],
})
