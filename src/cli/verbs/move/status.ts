// partywall move status: where a move stands, in words.

import { setTimeout as wait } from 'node:timers/promises'
import { systemClock } from '../../../core/clock.ts'
import { isOver } from '../../../core/move.ts'
import type { Outcome } from '../../exit-codes.ts'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { moveDisplay } from '../../move-display.ts'
import { tellMove, tenantOf } from '../../move-plane.ts'
import { verb } from '../../verb.ts'

const watchEveryMs = 1_000

export const status = verb({
  summary: 'Say where a move stands, what that means, and what can be done next',
  details:
    'Of a tenant: its last move. It ends with 1 when the move has a problem. With --watch it goes on until the move is over, or Ctrl-C.',
  args: { tenant: 'its id or slug; or the id of the move' },
  flags: { watch: { kind: 'switch', about: 'show what changes, as it changes' } },
  examples: ['partywall move status acme', 'partywall move status acme --watch', 'partywall move status acme --json'],
  needs: needsFleet,
  async run({ args, flags, output, terminal, ...invocation }): Promise<Outcome> {
    return await withFleet(terminal, async (plane) => {
      const { moves } = plane.fleet
      let found = await moves.status(args.tenant)
      const tenant = await tenantOf(plane, found.move)
      if (flags.watch) {
        const { signal } = invocation
        const display = moveDisplay({ terminal, isJson: output.isJson, clock: systemClock, nameOf: () => tenant })
        for (; !signal.aborted; found = await moves.status(found.move.id)) {
          display.see(found.move)
          if (isOver(found.move.state)) break
          await wait(watchEveryMs, undefined, { signal }).catch(() => {})
        }
        display.finish()
      }
      tellMove(output, found, tenant)
      return found.move.problem === undefined ? 'done' : 'failed'
    })
  },
})
