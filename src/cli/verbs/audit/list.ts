// partywall audit list: what happened in a tenant, newest last.

import type { AuditEntry } from '../../../core/audit-entry.ts'
import { auditFilterFlags, auditFilterOf, entryColumns, noLog } from '../../audit-entries.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const list = verb({
  summary: 'List a tenant’s accesses, the newest last',
  args: { tenant: 'its id or slug' },
  flags: {
    ...auditFilterFlags,
    limit: { kind: 'number', value: 'n', about: 'the last so many that match', min: 1, max: 100_000, default: 100 },
  },
  examples: ['partywall audit list acme --since 1d', 'partywall audit list acme --actor ann --table invoices --json'],
  needs: needsFleet,
  async run({ args, flags: { limit, ...flags }, output, terminal }) {
    const last: AuditEntry[] = []
    await withFleet(terminal, async (plane) => {
      const tenant = await fleetTenant(plane, args.tenant)
      const hasLog = await plane.fleet.audit.list(tenant, auditFilterOf(flags), (entry) => {
        last.push(entry)
        if (last.length > 2 * limit) last.splice(0, limit)
      })
      if (!hasLog) throw noLog(tenant)
    })
    await output.table(last.slice(-limit), entryColumns)
  },
})
