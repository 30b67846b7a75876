// partywall kit list: every attack, what it tries, and what would let it through.

import { attackList } from '../../../testing/isolation/attack-list.ts'
import { verb } from '../../verb.ts'

export const list = verb({
  summary: 'List every attack and what it tries',
  details: 'With each the change that must let it through: partywall kit prove makes it, in a database of its own.',
  flags: { only: { kind: 'list', value: 'prefixes', about: 'attacks whose id begins with one of these' } },
  examples: ['partywall kit list', 'partywall kit list --only http.hint --json'],
  async run({ flags: { only }, output, terminal }) {
    const attacks = attackList().filter(({ id }) => only.length === 0 || only.some((start) => id.startsWith(start)))
    await output.table(attacks, {
      ATTACK: ({ id }) => id,
      DOOR: ({ door }) => door,
      TRIES: ({ tries }) => tries,
      'MUST SUCCEED WHEN': ({ mutation }) => mutation,
    })
    terminal.note(`${attacks.length} attacks.`)
  },
})
