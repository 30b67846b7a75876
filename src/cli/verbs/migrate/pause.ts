// partywall migrate pause: from another terminal, or another machine.

import { needsFleet } from '../../fleet-plane.ts'
import { withMigrations } from '../../migrations.ts'
import { verb } from '../../verb.ts'

export const pause = verb({
  summary: 'Let runners end after the batches that they are at',
  flags: { reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true } },
  examples: ['partywall migrate pause --reason "the error rate is up"'],
  needs: needsFleet,
  async run({ flags, output, terminal }) {
    const { id, version, state, reason } = await withMigrations(terminal, {}, (rollout, actor) =>
      rollout.pause({ actor, reason: flags.reason }),
    )
    output.record({ id, version, state, reason })
  },
})
