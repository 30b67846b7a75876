// A tenant is moved while several processes write and read it, and everything that takes part is killed (test/support/move-checker/).
// The long campaign is in test/full/move-checker.test.ts.

import { deepEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { campaign } from '../../support/move-checker/campaign.ts'

test('moves with kills lose nothing, double nothing, show nothing stale and leave nothing behind', async (context) => {
  const seed = 20_260_801
  const report = await campaign({
    seed,
    moves: 4,
    faultsPart: 0.5,
    faults: ['mover', 'target', 'application', 'stalled replication'],
    applications: 2,
    ballast: 2_000,
    tell: (line) => context.diagnostic(line),
  })
  context.diagnostic(JSON.stringify(report))
  deepEqual(report.wrong, [])
  ok(report.switches >= 2)
  ok(report.operations['nomad acknowledged']! > 100)
})
