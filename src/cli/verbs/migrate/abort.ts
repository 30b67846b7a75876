// partywall migrate abort: from another terminal, or another machine.

import { needsFleet } from '../../fleet-plane.ts'
import { withMigrations } from '../../migrations.ts'
import { verb } from '../../verb.ts'

export const abort = verb({
  summary: 'End the run for good; what was applied stays',
  flags: { reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true } },
  examples: ['partywall migrate abort --reason "the error rate is up"'],
  needs: needsFleet,
  async run({ flags, output, terminal }) {
    const { id, version, state, reason } = await withMigrations(terminal, {}, (rollout, actor) =>
      rollout.abort({ actor, reason: flags.reason }),
    )
    output.record({ id, version, state, reason })
  },
})
