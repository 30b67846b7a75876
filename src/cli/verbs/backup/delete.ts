// partywall backup delete: one backup, for good.

import { AbortedError } from '../../../errors.ts'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { confirm } from '../../prompts.ts'
import { toldBackup } from '../../told-backup.ts'
import { verb } from '../../verb.ts'

export const remove = verb({
  summary: 'Delete a backup, for good',
  args: { backup: 'its id, or <tenant>/<id>' },
  flags: {
    reason: { kind: 'text', value: 'why', about: 'kept in the audit trail' },
    yes: { kind: 'switch', about: 'do not ask' },
  },
  examples: ['partywall backup delete acme/01a206c4-0e66-757c-90e6-b4cbcee18a88 --yes'],
  needs: needsFleet,
  async run({ args, flags: { reason, yes }, output, terminal }) {
    const gone = await withFleet(terminal, async ({ fleet, actor }) => {
      const { id, snapshotAt, rows } = await fleet.backups.get(args.backup)
      const message = `Delete the backup ${id} as of ${snapshotAt.toISOString()}, with ${rows} rows?`
      if (!yes && !(await confirm(terminal, { message, instead: '--yes' }))) throw new AbortedError('Nothing was deleted.')
      return await fleet.backups.delete(args.backup, { reason, actor })
    })
    output.record(toldBackup(gone))
  },
})
