// partywall operation retry: once more from the step that failed.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { operationProgress } from '../../operation-progress.ts'
import { tellReport } from '../../told-operation.ts'
import { verb } from '../../verb.ts'

export const retry = verb({
  summary: 'Go on with a failed operation, at the step that failed',
  args: { operation: 'its id' },
  examples: ['partywall operation retry 0198b5e0-8c1a-7d3e-9b6f-2c4a5e8d1f70'],
  needs: needsFleet,
  async run({ args, output, progress, signal, terminal }) {
    const onProgress = operationProgress(progress, 'retry')
    const report = await withFleet(terminal, ({ fleet }) => fleet.tenants.retry(args.operation, { onProgress, signal }))
    progress.finish()
    await tellReport(output, report)
  },
})
