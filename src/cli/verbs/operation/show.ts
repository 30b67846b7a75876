// partywall operation show: one operation and its steps.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { toldOperation } from '../../told-operation.ts'
import { verb } from '../../verb.ts'

export const show = verb({
  summary: 'Show an operation and its steps',
  args: { operation: 'its id' },
  examples: ['partywall operation show 0198b5e0-8c1a-7d3e-9b6f-2c4a5e8d1f70'],
  needs: needsFleet,
  async run({ args, output, terminal }) {
    const operation = await withFleet(terminal, ({ fleet }) => fleet.tenants.get(args.operation))
    if (output.isJson) return output.record(operation)
    output.record(toldOperation(operation))
    const steps = Object.entries(operation.steps).map(([name, record]) => ({ name, ...record }))
    steps.sort((a, b) => a.startedAt.localeCompare(b.startedAt))
    await output.table(steps, {
      STEP: ({ name }) => name,
      STATE: ({ state }) => state,
      STARTED: ({ startedAt }) => startedAt,
      ENDED: ({ endedAt }) => endedAt ?? '-',
    })
  },
})
