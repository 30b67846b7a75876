// partywall move complete: the end of a move that went well.

import { moveVerb } from '../../move-verb.ts'

export const complete = moveVerb('complete', {
  summary: 'End a move that was switched: remove what is left at the source',
  details: 'From then on the way back is a new move.',
  examples: ['partywall move complete acme'],
})
