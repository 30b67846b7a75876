// partywall backup list: what there is, the newest first.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { sizeOf, stateOf } from '../../told-backup.ts'
import { verb } from '../../verb.ts'

export const list = verb({
  summary: 'List the backups of a tenant, or of all',
  args: { tenant: { about: 'its id or slug', optional: true } },
  examples: ['partywall backup list acme', 'partywall backup list --json'],
  needs: needsFleet,
  async run({ args, output, terminal }) {
    const { backups, unreadable, unfinished } = await withFleet(terminal, ({ fleet }) => fleet.backups.list(args.tenant))
    await output.table(backups, {
      BACKUP: ({ id }) => id,
      TENANT: ({ tenantId }) => tenantId,
      KIND: ({ kind }) => kind,
      'AS OF': ({ snapshotAt }) => snapshotAt.toISOString(),
      ROWS: ({ rows }) => String(rows),
      SIZE: ({ storedBytes }) => sizeOf(storedBytes),
      STATE: stateOf,
    })
    for (const { key, problem } of unreadable) terminal.note(`${key} cannot be read: ${problem}`)
    if (unfinished.length > 0)
      terminal.note(`${unfinished.length} more are under way, or were given up: partywall backup prune removes those.`)
  },
})
