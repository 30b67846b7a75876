// partywall backup run-due: what a timer calls.

import { ConfigurationError } from '../../../errors.ts'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const runDue = verb({
  summary: 'Make the backups that are due, and prune behind them',
  details:
    'Goes by schedule and retention of backups in partywall.config.ts. For cron; partywall operation watch does it too. Ends with 3 when it failed for some tenants.',
  flags: {
    atOnce: { kind: 'number', value: 'n', about: 'tenants side by side', min: 1, max: 16, default: 2 },
    dryRun: { kind: 'switch', about: 'say who is due, and do nothing' },
  },
  examples: ['partywall backup run-due', 'partywall backup run-due --at-once 4 --json'],
  needs: needsFleet,
  async run({ flags: { atOnce: tenantsMax, dryRun }, output, progress, signal, terminal }) {
    const done = await withFleet(terminal, async ({ fleet, backups }) => {
      const { schedule = [], retention } = backups ?? {}
      if (schedule.length === 0) throw new ConfigurationError('Nothing is scheduled. Set backups.schedule in partywall.config.ts.')
      let count = 0
      const onDue = ({ slug }: { readonly slug: string }): void => {
        if (count === 0) progress.start(0, 'backups that are due')
        progress.advance({ done: ++count, note: slug })
      }
      return await fleet.backups.runDue({ schedule, retention, tenantsMax, dryRun, signal, onDue })
    })
    progress.finish()
    const rows = done.map(({ error, ...row }) => ({ ...row, code: error?.code, problem: error?.message }))
    await output.table(rows, {
      TENANT: ({ slug }) => slug,
      BACKUP: ({ backup }) => backup ?? (dryRun ? 'due' : 'failed'),
      PRUNED: ({ pruned }) => String(pruned),
      PROBLEM: ({ problem }) => problem ?? '',
    })
    const failed = done.filter(({ error }) => error !== undefined).length
    if (failed === 0) return 'done'
    return failed === done.length ? 'failed' : 'partly'
  },
})
