// What the safety of a move rests on, taken away piece by piece. The model (test/operations/moves/model.test.ts) has mutants of its own;
// one that looks at the gate before it locks it is found there alone: on a real server the moment is too short to be met in a minute.

import type { Mutant } from './mutants.ts'

const wall = 'src/postgres/sql/wall/0001-wall.sql'
const moveGate = 'src/postgres/moves/move-gate.ts'
const session = 'src/postgres/moves/move-session.ts'
const red = ['test/operations/moves/checker.test.ts']
/** Servers are started and killed. */
const timeoutMs = 400_000
const locked = 'select g.state into gate from partywall.gates as g where g.tenant_id = tenant for share;'

export const moveMutants: readonly Mutant[] = [
  {
    name: 'a write of a moving tenant takes no lock',
    edits: [{ file: wall, from: locked, to: locked.replace(' for share', '') }],
    red,
    timeoutMs,
  },
  {
    name: 'a switch does not wait for the drain',
    // Alone it would make a switch slow: the marker is looked for again before the place is opened.
    edits: [
      { file: moveGate, from: '      if (rows.length > 0) return true\n', to: '      if (rows.length >= 0) return true\n' },
      { file: session, from: 'if (row?.isThere !== true) {', to: 'if (row === undefined) {' },
    ],
    red,
    timeoutMs,
  },
  {
    name: 'the place that a tenant goes to shows what it may lose',
    edits: [{ file: 'src/postgres/moves/replication.ts', from: 'synchronous_commit = on', to: 'synchronous_commit = off' }],
    red,
    timeoutMs,
  },
  {
    name: 'the place that was left is not retired',
    edits: [
      { file: session, from: 'return await retireGate(left, this.#ends.tenant.id, move.fence)', to: 'return void left' },
      { file: session, from: '    await retireGate(other, this.#ends.tenant.id, move.fence)\n', to: '' },
    ],
    red,
    timeoutMs,
  },
  {
    name: 'the place that was left is purged while it is still replicated',
    edits: [
      { file: session, from: '    await unsubscribe(serving, other, move, move.generation - 1)\n', to: '' },
      {
        file: session,
        from: "    tell('Ending replication.')\n",
        to: "    tell('Ending replication.')\n    await this.#places.releasePlace(tenant, other.placement, { behindFence: move.fence, signal })\n",
      },
    ],
    red,
    timeoutMs,
  },
]
