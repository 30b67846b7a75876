// partywall move cancel: the end of a move that is not wanted any more.

import { moveVerb } from '../../move-verb.ts'

export const cancel = moveVerb('cancel', {
  summary: 'End a move that was not switched, or was reversed: remove what was copied',
  details: 'The tenant stays where it is. It never stops writing.',
  examples: ['partywall move cancel acme --reason "wrong region"'],
})
