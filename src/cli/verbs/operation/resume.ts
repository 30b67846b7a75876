// partywall operation resume: goes on with what was left undone; for cron.

import type { Outcome } from '../../exit-codes.ts'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { operationProgress } from '../../operation-progress.ts'
import { tellReport } from '../../told-operation.ts'
import { verb } from '../../verb.ts'

export const resume = verb({
  summary: 'Go on with operations whose process died or whose wait is over',
  details: 'Without an id: with all of them. Failed ones are left to partywall operation retry. Others may do the same at the same time.',
  args: { operation: { about: 'its id', optional: true } },
  flags: { atOnce: { kind: 'number', about: 'operations side by side', min: 1, max: 64, default: 4 } },
  examples: ['partywall operation resume', 'partywall operation resume 0198b5e0-8c1a-7d3e-9b6f-2c4a5e8d1f70'],
  needs: needsFleet,
  async run({ args: { operation: id }, flags: { atOnce }, output, progress, signal, terminal }): Promise<Outcome> {
    const onProgress = operationProgress(progress, 'resume')
    if (id !== undefined) {
      const report = await withFleet(terminal, ({ fleet }) => fleet.tenants.goOn(id, { onProgress, signal }))
      progress.finish()
      await tellReport(output, report)
      return 'done'
    }
    const resumed = await withFleet(terminal, ({ fleet }) => fleet.tenants.resumeAll({ onProgress, signal, concurrency: atOnce }))
    progress.finish()
    signal.throwIfAborted()
    const rows = resumed.map(({ operation, error, ...each }) => ({
      ...each,
      state: operation?.state ?? 'failed',
      ...(error !== undefined && { problem: error.message, code: error.code }),
    }))
    await output.table(rows, {
      ID: (row) => row.id,
      KIND: (row) => row.kind,
      TENANT: (row) => row.tenantId,
      STATE: (row) => row.state,
      PROBLEM: (row) => row.problem ?? '-',
    })
    const failed = resumed.filter(({ error }) => error !== undefined).length
    if (failed === 0) return 'done'
    return failed < resumed.length ? 'partly' : 'failed'
  },
})
