// The long campaign: some hours. PARTYWALL_CHECKER_MOVES and PARTYWALL_CHECKER_SEED ask for another one.

import { deepEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { allFaults, campaign } from '../support/move-checker/campaign.ts'

const moves = Number(process.env['PARTYWALL_CHECKER_MOVES'] ?? 200)
const seed = Number(process.env['PARTYWALL_CHECKER_SEED'] ?? 20_260_802)

test(`${moves} moves, with as many kills, lose nothing, double nothing, show nothing stale and leave nothing behind`, {
  timeout: moves * 180_000,
}, async (context) => {
  const report = await campaign({
    seed,
    moves,
    faultsPart: 0.6,
    faults: [...allFaults, 'frozen mover'],
    applications: 3,
    ballast: 5_000,
    tell: (line) => context.diagnostic(line),
  })
  context.diagnostic(JSON.stringify(report))
  deepEqual(report.wrong, [])
  const killed = Object.entries(report.faults).filter(([fault]) => fault !== 'stalled replication' && fault !== 'frozen mover')
  ok(killed.reduce((sum, [, times]) => sum + times, 0) >= moves * 0.9, 'enough was killed')
})
