// partywall migrate resume: what the last run has left.

import { needsFleet } from '../../fleet-plane.ts'
import { told, withMigrations } from '../../migrations.ts'
import { verb } from '../../verb.ts'

export const resume = verb({
  summary: 'Go on with the last run: what is left, what failed, what was skipped',
  details: 'What is done is not touched. It needs the files that the run was begun with.',
  flags: { concurrency: { kind: 'number', about: 'batches at a time', min: 1, max: 32 } },
  examples: ['partywall migrate resume'],
  needs: needsFleet,
  async run({ flags, output, progress, signal, terminal }) {
    const result = await withMigrations(terminal, { concurrency: flags.concurrency }, async (rollout, actor) => {
      progress.start(0, 'migrate')
      return await rollout.resume({ actor, signal, onEvent: (event) => progress.event(event) })
    })
    progress.finish()
    return told(result, { output, signal })
  },
})
