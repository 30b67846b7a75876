// partywall move switch: the commit point of a move.

import { moveVerb } from '../../move-verb.ts'

export const switchOver = moveVerb('switch', {
  summary: 'Let the target of a move serve the tenant',
  details:
    'Compares both places first, unless that was done. The tenant’s writes pause for some milliseconds, and its reads go on. Afterwards replication runs the other way, so that partywall move reverse loses nothing, until partywall move complete.',
  examples: ['partywall move switch acme'],
})
