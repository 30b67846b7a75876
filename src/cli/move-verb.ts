// The verbs that ask something of a move and wait for what comes of it. They differ in one word.

import type { MoveVerb } from '../core/move.ts'
import { MoveDiffersError } from '../errors.ts'
import type { TableDifference } from '../operations/moves/move-work.ts'
import { needsFleet, withFleet } from './fleet-plane.ts'
import { tellMove, tenantOf, watchingMove } from './move-plane.ts'
import { countText } from './move-words.ts'
import type { Output } from './output.ts'
import { type Verb, verb } from './verb.ts'

interface Words {
  readonly summary: string
  readonly details: string
  readonly examples: readonly [string, ...string[]]
}

export function moveVerb(name: MoveVerb, words: Words): Verb {
  return verb({
    ...words,
    args: { tenant: 'its id or slug; or the id of the move' },
    flags: { reason: { kind: 'text', value: 'why', about: 'kept in the audit trail' } },
    needs: needsFleet,
    async run({ args, flags: { reason }, output, signal, terminal }) {
      await withFleet(terminal, async (plane) => {
        const { moves } = plane.fleet
        const { move } = await moves.status(args.tenant)
        const tenant = await tenantOf(plane, move)
        try {
          await watchingMove({ output, terminal }, moves, { ref: move.id, name: tenant }, (onProgress) =>
            moves[name](move.id, { reason, actor: plane.actor, onProgress, signal }),
          )
        } catch (error) {
          if (!(error instanceof MoveDiffersError)) throw error
          await tellDifferences(output, error)
          throw error
        }
        tellMove(output, await moves.status(move.id), tenant)
      })
    },
  })
}

/** With the keys of some rows, so that somebody can look. */
async function tellDifferences(output: Output, { details }: MoveDiffersError): Promise<void> {
  const differences = details['differences'] as unknown as readonly TableDifference[]
  await output.table(differences, {
    TABLE: ({ table }) => table,
    'ROWS AT SOURCE': ({ source }) => countText(source.rows),
    'ROWS AT TARGET': ({ target }) => countText(target.rows),
    'KEYS OF SOME': ({ keys }) => keys.join(' '),
  })
}
