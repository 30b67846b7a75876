// partywall operation cancel: takes an operation back, as far as it still can be.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { operationProgress } from '../../operation-progress.ts'
import { toldOperation } from '../../told-operation.ts'
import { verb } from '../../verb.ts'

export const cancel = verb({
  summary: 'Take an operation back',
  details:
    'An onboarding before the tenant is open, an off-boarding before its purge begins. One that runs in another process undoes itself after its present step.',
  args: { operation: 'its id' },
  flags: { reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true } },
  examples: ['partywall operation cancel 0198b5e0-8c1a-7d3e-9b6f-2c4a5e8d1f70 --reason "they stay"'],
  needs: needsFleet,
  async run({ args, flags: { reason }, output, progress, signal, terminal }) {
    const onProgress = operationProgress(progress, 'cancel')
    const cancelled = await withFleet(terminal, ({ fleet, actor }) =>
      fleet.tenants.cancel(args.operation, { reason, actor, onProgress, signal }),
    )
    progress.finish()
    output.record(toldOperation(cancelled))
  },
})
