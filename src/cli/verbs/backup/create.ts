// partywall backup create: a tenant's rows, as of one moment, into the store.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { backupProgress, toldBackup } from '../../told-backup.ts'
import { verb } from '../../verb.ts'

export const create = verb({
  summary: 'Back a tenant up, while it is being served',
  details: 'Rows are as of one moment. They are compressed, and encrypted with a key of the tenant’s own, which is in the secret store.',
  args: { tenant: 'its id or slug' },
  flags: {
    atOnce: { kind: 'number', value: 'n', about: 'tables side by side', min: 1, max: 16, default: 2 },
    fromServer: {
      kind: 'text',
      value: 'server',
      about: 'read from this server: a name of the catalog, or a URL, of one recovered to a moment',
    },
    reason: { kind: 'text', value: 'why', about: 'kept in the audit trail' },
  },
  examples: ['partywall backup create acme', 'partywall backup create acme --at-once 8 --reason "before the import" --json'],
  needs: needsFleet,
  async run({ args, flags: { atOnce: concurrency, fromServer: from, reason }, output, progress, signal, terminal }) {
    const onProgress = backupProgress(progress, `backup ${args.tenant}`)
    const made = await withFleet(terminal, ({ fleet, actor }) =>
      fleet.backups.create(args.tenant, { concurrency, from, reason, actor, onProgress, signal }),
    )
    progress.finish()
    output.record(toldBackup(made))
  },
})
