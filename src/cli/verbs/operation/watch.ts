// partywall operation watch: the keeper of a fleet, as a process of its own.

import { AbortedError } from '../../../errors.ts'
import type { KeptRound } from '../../../operations/keeper.ts'
import { needsFleet, withFleet } from '../../fleet-plane.ts'
import type { Output } from '../../output.ts'
import { type Terminal, verb } from '../../verb.ts'

export const watch = verb({
  summary: 'Go on with operations and keep the stock full, until it is stopped',
  details:
    'Every few seconds: what partywall operation resume does, and places in advance as the stock of partywall.config.ts says. Ctrl-C or SIGTERM ends it after the present step. Several may run.',
  flags: { every: { kind: 'number', value: 'seconds', about: 'between two rounds', min: 1, max: 3_600, default: 10 } },
  examples: ['partywall operation watch', 'partywall operation watch --every 60 --json'],
  needs: needsFleet,
  async run({ flags: { every }, output, signal, terminal }) {
    await withFleet(terminal, async ({ config: { stock = [] }, fleet }) => {
      terminal.note(`Watching every ${every} s; ${stock.length === 0 ? 'no stock to keep' : `${stock.length} kinds of stock to keep`}.`)
      await fleet.keep({ everyMs: every * 1_000, stock, signal, onRound: (round) => tellRound(round, { output, terminal }) })
    })
  },
})

/** A round in which nothing happened is not told of. */
function tellRound(
  { resumed, made, backedUp, errors }: KeptRound,
  { output, terminal }: { readonly output: Output; readonly terminal: Terminal },
): void {
  for (const { id, kind, tenantId, operation, error } of resumed) {
    // Stopped with us: whoever comes next goes on with it.
    if (error instanceof AbortedError) continue
    const state = operation?.state ?? 'failed'
    const text = `${kind} ${id} of ${tenantId}: ${state}${error === undefined ? '' : `: ${error.message}`}`
    output.lines([text], { id, kind, tenantId, state, ...(error !== undefined && { code: error.code, problem: error.message }) })
  }
  if (made > 0) output.lines([`${made} places made for the stock`], { made })
  if (backedUp > 0) output.lines([`${backedUp} tenants backed up`], { backedUp })
  for (const error of errors) terminal.note(`${error.message} (${error.code}) Tried again in the next round.`)
}
