// partywall migrate up: every place to the newest version, ring by ring.

import { needsFleet } from '../../fleet-plane.ts'
import { told, withMigrations } from '../../migrations.ts'
import { verb } from '../../verb.ts'

export const up = verb({
  summary: 'Bring every tenant’s tables to the newest migration',
  details:
    'It goes on after failures, up to the error budget. Several at once share the work, and what was killed is gone on with by the next. Ctrl-C ends it between two batches.',
  flags: {
    failuresMax: { kind: 'number', about: 'how many may fail before it halts', min: 0, max: 1_000_000 },
    concurrency: { kind: 'number', about: 'batches at a time', min: 1, max: 32 },
    ignoreLint: { kind: 'switch', about: 'run files although the lint has found errors in them' },
  },
  examples: ['partywall migrate up', 'partywall migrate up --failures-max 0 --json'],
  needs: needsFleet,
  async run({ flags, output, progress, signal, terminal }) {
    const { failuresMax, concurrency, ignoreLint: ignoresLint } = flags
    const budget = failuresMax === undefined ? undefined : { failuresMax }
    const result = await withMigrations(terminal, { budget, concurrency }, async (rollout, actor) => {
      const { total, to } = await rollout.plan()
      if (total > 0) progress.start(total, `migrate to ${to}`)
      return await rollout.up({ actor, ignoresLint, signal, onEvent: (event) => progress.event(event) })
    })
    progress.finish()
    return told(result, { output, signal })
  },
})
