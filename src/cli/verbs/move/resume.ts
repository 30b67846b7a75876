// partywall move resume: goes on with moves that nobody drives; for cron.

import { systemClock } from '../../../core/clock.ts'
import type { Outcome } from '../../exit-codes.ts'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { moveDisplay } from '../../move-display.ts'
import { tenantOf } from '../../move-plane.ts'
import { verb } from '../../verb.ts'

export const resume = verb({
  summary: 'Go on with moves whose process died, or that are due',
  details:
    'Each to where it rests. Where partywall operation watch runs, that is done within a tenth of a second, and nobody needs this. It ends with 3, or with 1, when some, or all, have a problem.',
  examples: ['partywall move resume', 'partywall move resume --json'],
  needs: needsFleet,
  async run({ output, signal, terminal }): Promise<Outcome> {
    return await withFleet(terminal, async (plane) => {
      const display = moveDisplay({ terminal, isJson: output.isJson, clock: systemClock, nameOf: (id) => id })
      const moves = await plane.fleet.moves.resumeAll({ actor: plane.actor, onProgress: display.onProgress, signal })
      display.finish()
      signal.throwIfAborted()
      const rows = []
      for (const { id, state, serving, problem, ...move } of moves)
        rows.push({ tenant: await tenantOf(plane, move), id, state, serving, problem })
      await output.table(rows, {
        TENANT: ({ tenant }) => tenant,
        STATE: ({ state }) => state,
        SERVING: ({ serving }) => serving,
        ID: ({ id }) => id,
        PROBLEM: ({ problem }) => problem?.message ?? '-',
      })
      const failed = moves.filter(({ problem }) => problem !== undefined).length
      if (failed === 0) return 'done'
      return failed < moves.length ? 'partly' : 'failed'
    })
  },
})
