// partywall move start: the copy, and from then on two places in step.

import type { MoveFinding } from '../../../core/move-finding.ts'
import { isolations } from '../../../core/placement.ts'
import { ConfigurationError, MoveRefusedError } from '../../../errors.ts'
import type { MovePlan } from '../../../operations/moves/moves.ts'
import type { Outcome } from '../../exit-codes.ts'
import { assertKnowsMigrations, fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { moveOptionFlags, moveOptions } from '../../move-options.ts'
import { tellMove, watchingMove } from '../../move-plane.ts'
import { placeText } from '../../move-words.ts'
import type { Output } from '../../output.ts'
import { type Verb, verb } from '../../verb.ts'

export const start: Verb = verb({
  summary: 'Copy a tenant to another place, and keep both in step',
  details:
    'What would break is found before, with the SQL that mends it. The tenant reads and writes as ever meanwhile. It ends when both places are in step; then partywall move switch. With --auto it switches by itself, and completes after the soak. Ctrl-C leaves it where it stands; any process goes on with it.',
  args: { tenant: 'its id or slug' },
  flags: {
    to: { kind: 'choice', of: isolations, about: 'how it is to live', required: true },
    server: { kind: 'text', about: 'this server and no other' },
    database: { kind: 'text', about: 'this database of shared tables or of schemas, by its name in the catalog' },
    auto: { kind: 'switch', about: 'switch, and complete after the soak, without being asked' },
    ...moveOptionFlags,
    reason: { kind: 'text', value: 'why', about: 'kept in the audit trail', required: true },
    dryRun: { kind: 'switch', about: 'say where to and what stands in the way, and do nothing' },
  },
  examples: [
    'partywall move start acme --to server --reason "contract 4711"',
    'partywall move start acme --to schema --server pg-2 --auto --soak 1h --throttle 1.5 --reason "grown" --json',
    'partywall move start acme --to database --reason "contract 4711" --dry-run',
  ],
  needs: needsFleet,
  async run({ args, flags, output, signal, terminal }): Promise<Outcome> {
    const { to, server, database, auto, reason, dryRun } = flags
    if (flags.soak !== undefined && !auto)
      throw new ConfigurationError('--soak is the time before an automatic completion: give --auto too.')
    const request = { to, server, database, auto, ...moveOptions(flags) }
    return await withFleet(terminal, async (plane) => {
      const { moves } = plane.fleet
      const { id, slug } = await fleetTenant(plane, args.tenant)
      await assertKnowsMigrations(plane, to)
      if (dryRun) return tellDryRun(output, await moves.plan(id, request), slug)
      try {
        await watchingMove({ output, terminal }, moves, { ref: id, name: slug }, (onProgress) =>
          moves.start(id, request, { reason, actor: plane.actor, onProgress, signal }),
        )
      } catch (error) {
        // For people they are in the message, the SQL too.
        const findings = error instanceof MoveRefusedError && output.isJson ? error.details['findings'] : undefined
        if (Array.isArray(findings)) for (const finding of findings as object[]) output.record({ kind: 'finding', ...finding })
        throw error
      }
      tellMove(output, await moves.status(id), slug)
      return 'done'
    })
  },
})

function tellDryRun(output: Output, plan: MovePlan, tenant: string): Outcome {
  const { source, target, findings } = plan
  const isRefused = findings.some(({ level }) => level === 'refuse')
  const verdict = isRefused ? 'It would be refused.' : findings.length > 0 ? 'It would be begun, but:' : 'Nothing stands in its way.'
  output.lines([`${tenant}: ${placeText(source)} → ${placeText(target)}`, verdict, ...findings.flatMap(findingLines)], {
    tenant,
    ...plan,
    isRefused,
  })
  return isRefused ? 'failed' : 'done'
}

/** What it is, where, and the SQL that mends it, which is to be copied: a line of its own for each statement. */
function findingLines({ level, rule, at, object, problem, fix }: MoveFinding): readonly string[] {
  const where = at === null ? '' : ` at the ${at.side} (${at.server}${at.database === null ? '' : `, ${at.database}`}, as the ${at.as})`
  return [`${level} ${rule}: ${object}${where}`, `  ${problem}`, ...(fix === null ? [] : fix.split('\n').map((line) => `    ${line}`))]
}
