// partywall migrate plan: what up would do, ring by ring, and what the lint says of it.

import { needsFleet } from '../../fleet-plane.ts'
import { lintLines } from '../../lint-lines.ts'
import { withMigrations } from '../../migrations.ts'
import { verb } from '../../verb.ts'

export const plan = verb({
  summary: 'Say what would be migrated, ring by ring, and do nothing',
  examples: ['partywall migrate plan', 'partywall migrate plan --json'],
  needs: needsFleet,
  async run({ output, terminal }) {
    const planned = await withMigrations(terminal, {}, (rollout) => rollout.plan())
    const { to, total, rings, findings } = planned
    if (output.isJson) return output.record(planned)
    terminal.print(total === 0 ? `Nothing to do: every place is at ${to ?? 'the beginning'}.` : `To ${to}: ${total} places.`)
    if (total === 0) return
    await output.table(rings, {
      RING: ({ ring }) => ring,
      SCHEMAS: ({ schemas }) => String(schemas),
      DATABASES: ({ databases }) => String(databases),
      OLDEST: ({ oldest, databases, schemas }) => (databases + schemas === 0 ? '' : (oldest ?? 'none')),
    })
    for (const line of lintLines(findings)) terminal.print(line)
  },
})
