// partywall tenant suspend: refused by the database, everywhere and at once.

import { needsAdmin, withAdmin } from '../../control-plane.ts'
import { verb } from '../../verb.ts'

export const suspend = verb({
  summary: 'Suspend a tenant',
  details: 'When it returns, the database refuses the tenant’s statements in every process.',
  args: { tenant: 'its id or slug' },
  flags: { reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true } },
  examples: ['partywall tenant suspend acme --reason "unpaid"'],
  needs: needsAdmin,
  async run({ args, flags, output, terminal }) {
    output.record(await withAdmin(terminal, ({ tenants, actor }) => tenants.suspend(args.tenant, { reason: flags.reason, actor })))
  },
})
