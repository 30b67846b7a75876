// partywall kit prove: every attack once more, where what stopped it has been taken down.

import { proveIsolated } from '../../../testing/isolation/prove-isolated.ts'
import { kitFlags, kitTarget } from '../../kit-target.ts'
import { verb } from '../../verb.ts'

export const prove = verb({
  summary: 'Show that every attack can succeed',
  details:
    'For each attack a part of the wall is taken down, in a database of its own, and the attack is tried: it must get through. Those that do not are named, prove nothing, and end the command with 1. Takes a minute or two, on a server of its own.',
  flags: kitFlags,
  examples: ['partywall kit prove --app src/application.ts', 'partywall kit prove --only forge --json'],
  async run({ flags, output, terminal }) {
    const target = await kitTarget(terminal, flags)
    const proofs = await proveIsolated({ ...target, open: flags.app === undefined ? undefined : target.open })
    const red = proofs.filter(({ outcome }) => outcome === 'red')
    const defects = proofs.filter(({ outcome }) => outcome === 'defect')
    output.lines(
      [
        `${red.length} of ${proofs.length} attacks got through where what stops them was taken down; for ${proofs.length - red.length - defects.length} there is nothing here that they could be tried on.`,
        ...defects.map(({ attack, mutation, detail }) => `  ${attack}: nothing came of it although ${mutation}. ${detail}`),
      ],
      { proofs, defects: defects.length },
    )
    return defects.length > 0 ? 'failed' : 'done'
  },
})
