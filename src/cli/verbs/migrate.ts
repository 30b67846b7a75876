// partywall migrate: migrations over the fleet, one file each in verbs/migrate/.

import { group } from '../verb.ts'

export const migrate = group({
  summary: 'Migrate every tenant’s tables, and see who is where',
  details: 'One set of files serves all placements. partywall.config.ts says where they are, and in which rings they go.',
  examples: ['partywall migrate plan', 'partywall migrate up', 'partywall migrate status --only failed'],
  verbs: {
    plan: async () => (await import('./migrate/plan.ts')).plan,
    up: async () => (await import('./migrate/up.ts')).up,
    status: async () => (await import('./migrate/status.ts')).status,
    pause: async () => (await import('./migrate/pause.ts')).pause,
    resume: async () => (await import('./migrate/resume.ts')).resume,
    abort: async () => (await import('./migrate/abort.ts')).abort,
    drift: async () => (await import('./migrate/drift.ts')).drift,
    lint: async () => (await import('./migrate/lint.ts')).lint,
  },
})
