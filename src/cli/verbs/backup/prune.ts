// partywall backup prune: what retention does not keep, and what was never finished.

import type { Backup } from '../../../backup/backup-listing.ts'
import type { RetentionRule } from '../../../backup/retention.ts'
import { ConfigurationError } from '../../../errors.ts'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { sizeOf } from '../../told-backup.ts'
import { verb } from '../../verb.ts'

const kept = (what: string) => ({ kind: 'number', value: 'n', about: `keep ${what}`, min: 0, max: 10_000 }) as const

export const prune = verb({
  summary: 'Delete the backups that retention does not keep',
  details:
    'Without --last, --daily, --weekly, --monthly and --yearly it goes by retention of partywall.config.ts. The newest good backup of a tenant always stays; those made by a swap or of a point in time stay for 30 days.',
  args: { tenant: { about: 'only those of this one: its id or slug', optional: true } },
  flags: {
    last: kept('the newest ones'),
    daily: kept('the newest of each of the last days'),
    weekly: kept('the newest of each of the last weeks'),
    monthly: kept('the newest of each of the last months'),
    yearly: kept('the newest of each of the last years'),
    reason: { kind: 'text', value: 'why', about: 'kept in the audit trail' },
    dryRun: { kind: 'switch', about: 'say what would be deleted, and delete nothing' },
  },
  examples: ['partywall backup prune --daily 7 --weekly 4 --monthly 12 --dry-run', 'partywall backup prune acme --last 3 --json'],
  needs: needsFleet,
  async run({ args, flags: { reason, dryRun, ...given }, output, terminal }) {
    const {
      deleted,
      kept: left,
      unfinished,
    } = await withFleet(terminal, async ({ fleet, backups, actor }) => {
      const isGiven = Object.values(given).some((count) => count !== undefined)
      const rule: RetentionRule | undefined = isGiven ? given : backups?.retention
      if (rule === undefined)
        throw new ConfigurationError('What is kept? Give --last, --daily and so on, or set backups.retention in partywall.config.ts.')
      return await fleet.backups.prune({ tenant: args.tenant, rule, dryRun, reason, actor })
    })
    const rows = [
      ...left.map((backup) => ({ ...told(backup), outcome: 'kept', because: backup.because })),
      ...deleted.map((backup) => ({ ...told(backup), outcome: dryRun ? 'would be deleted' : 'deleted', because: '' })),
      ...unfinished.map((id) => ({
        id,
        tenantId: '',
        asOf: '',
        storedBytes: 0,
        outcome: dryRun ? 'would be deleted' : 'deleted',
        because: 'never finished',
      })),
    ]
    await output.table(rows, {
      BACKUP: ({ id }) => id,
      TENANT: ({ tenantId }) => tenantId,
      'AS OF': ({ asOf }) => asOf,
      SIZE: ({ storedBytes }) => sizeOf(storedBytes),
      OUTCOME: ({ outcome }) => outcome,
      BECAUSE: ({ because }) => because,
    })
  },
})

function told({ id, tenantId, snapshotAt, storedBytes }: Backup) {
  return { id, tenantId, asOf: snapshotAt.toISOString(), storedBytes }
}
