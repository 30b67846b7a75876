// partywall move reap: what moves that are over have left on servers that could not be reached then.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const reap = verb({
  summary: 'Remove what moves that are over, or unknown, have left on any server',
  details:
    'Slots, publications, subscriptions and logins of moves. A slot that nobody reads keeps the log of its server, until the disk is full: call it after a catalog was restored from a backup, or a server was away for long.',
  examples: ['partywall move reap'],
  needs: needsFleet,
  async run({ output, terminal }) {
    const removed = await withFleet(terminal, ({ fleet }) => fleet.moves.reap())
    if (removed.length === 0 && !output.isJson) terminal.note('Nothing was left over.')
    await output.table(
      removed.map((what) => ({ removed: what })),
      { REMOVED: (row) => row.removed },
    )
  },
})
