// partywall audit export: a log as a file, with a signed manifest.

import { resolve } from 'node:path'
import { type ExportFormat, exportFormats } from '../../../audit/export-log.ts'
import { auditFilterFlags, auditFilterOf, noLog } from '../../audit-entries.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const exportAudit = verb({
  summary: 'Write a tenant’s log to a file, with a signed manifest beside it',
  details:
    'jsonl has the rows as they are, to be verified with `partywall audit verify --file`; entries (JSON Lines), csv and ocsf (Datastore Activity of the Open Cybersecurity Schema Framework) are to be read, and can be filtered.',
  args: { tenant: 'its id or slug' },
  flags: {
    ...auditFilterFlags,
    to: { kind: 'text', value: 'file', about: 'where to', required: true },
    format: { kind: 'choice', of: exportFormats, about: 'how', default: 'jsonl' },
  },
  examples: ['partywall audit export acme --to acme.jsonl', 'partywall audit export acme --to may.csv --format csv --since 31d'],
  needs: needsFleet,
  async run({ args, flags: { to, format, ...flags }, output, terminal, signal }) {
    const file = resolve(terminal.cwd, to)
    const manifest = await withFleet(terminal, async (plane) => {
      const tenant = await fleetTenant(plane, args.tenant)
      const filter = auditFilterOf(flags)
      const written = await plane.fleet.audit.export(tenant, { to: file, format: format as ExportFormat, filter, signal })
      if (written === undefined) throw noLog(tenant)
      await plane.record({ action: 'audit.exported', tenantId: tenant.id, reason: undefined, details: { format, count: written.count } })
      return written
    })
    const { count, sha256, first, last, key } = manifest
    output.record({ file, format, count, first: first ?? '-', last: last ?? '-', sha256, key })
  },
})
