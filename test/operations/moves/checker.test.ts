// A tenant is moved while several processes write and read it, and everything that takes part is killed (test/support/move-checker/).
// The long campaign is in test/full/move-checker.test.ts.

import { deepEqual, ok } from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type CampaignOptions, campaign, type Report } from '../../support/move-checker/campaign.ts'

const seed = 20_260_801
const switchesOnly = [['start', 'switch', 'reverse', 'switch', 'complete']] as const satisfies CampaignOptions['plans']

async function run(context: TestContext, options: Omit<CampaignOptions, 'seed' | 'applications' | 'ballast' | 'tell'>): Promise<Report> {
  const report = await campaign({
    seed,
    applications: 2,
    pauseMs: 30,
    ballast: 1_000,
    tell: (line) => context.diagnostic(line),
    ...options,
  })
  context.diagnostic(JSON.stringify(report))
  deepEqual(report.wrong, [])
  ok(report.operations['nomad acknowledged']! > 100, 'it was written')
  return report
}

test('moves with kills of whoever moves and whoever writes lose nothing, double nothing and leave nothing behind', async (context) => {
  const { switches } = await run(context, {
    moves: 2,
    faultsPart: 0.7,
    faults: ['mover', 'application', 'stalled replication', 'stalled replication'],
    plans: switchesOnly,
  })
  ok(switches >= 6)
})

test('a server that is killed in the moment in which it shows the last write has it when it comes again', async (context) => {
  const report = await run(context, {
    moves: 1,
    faultsPart: 1,
    faults: ['drained target'],
    faultsAt: { verbs: ['switch'], moments: ['fencing'] },
    // Verified before, so that the switch has one fence.
    plans: [['start', 'verify', 'switch', 'complete']],
  })
  deepEqual(report.faults, { 'drained target': 1 })
})
