// A tenant is moved while several processes write and read it, and everything that takes part is killed (test/support/move-checker/).
// The long campaign is in test/full/move-checker.test.ts.

import { deepEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { campaign } from '../../support/move-checker/campaign.ts'

test('moves with kills lose nothing, double nothing, show nothing stale and leave nothing behind', async (context) => {
  const seed = 20_260_801
  const report = await campaign({
    seed,
    moves: 3,
    faultsPart: 0.5,
    faults: ['mover', 'mover', 'target', 'application', 'stalled replication'],
    plans: [
      ['start', 'switch', 'complete'],
      ['start', 'switch', 'reverse', 'cancel'],
    ],
    applications: 2,
    ballast: 2_000,
    tell: (line) => context.diagnostic(line),
  })
  context.diagnostic(JSON.stringify(report))
  deepEqual(report.wrong, [])
  ok(report.switches >= 2)
  ok(report.operations['nomad acknowledged']! > 100)
})
