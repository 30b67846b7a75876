// partywall tenant resume: the end of a suspension.

import { needsAdmin, withAdmin } from '../../control-plane.ts'
import { verb } from '../../verb.ts'

export const resume = verb({
  summary: 'Let a suspended tenant run again',
  args: { tenant: 'its id or slug' },
  flags: { reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true } },
  examples: ['partywall tenant resume acme --reason "paid"'],
  needs: needsAdmin,
  async run({ args, flags, output, terminal }) {
    output.record(await withAdmin(terminal, ({ tenants, actor }) => tenants.resume(args.tenant, { reason: flags.reason, actor })))
  },
})
