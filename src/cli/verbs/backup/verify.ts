// partywall backup verify: is it good? It is restored into a throw-away place to find out.

import { needsFleet, withFleet } from '../../fleet-plane.ts'
import { backupProgress } from '../../told-backup.ts'
import { verb } from '../../verb.ts'

export const verify = verb({
  summary: 'Restore a backup into a throw-away place and compare',
  details: 'Ends with 1 when it is not good. What was found is noted beside the backup, and pruning heeds it.',
  args: { backup: 'its id, <tenant>/<id> or <tenant>/latest' },
  flags: { quick: { kind: 'switch', about: 'open every object, and restore nothing' } },
  examples: ['partywall backup verify acme/latest', 'partywall backup verify acme/latest --quick --json'],
  needs: needsFleet,
  async run({ args, flags: { quick }, output, progress, signal, terminal }) {
    const onProgress = backupProgress(progress, `verify ${args.backup}`)
    const { id, isGood, tables, rows, problems } = await withFleet(terminal, ({ fleet, actor }) =>
      fleet.backups.verify(args.backup, { quick, onProgress, signal, actor }),
    )
    progress.finish()
    const how = quick ? 'opened' : 'restored and compared'
    const text = isGood ? [`${id} is good: ${tables} tables, ${rows} rows ${how}.`] : [`${id} is not good.`]
    const lines = problems.map(({ table, problem }) => `${table ?? 'the backup'}: ${problem}`)
    output.lines([...text, ...lines], { id, isGood, isQuick: quick, tables, rows, problems })
    return isGood ? 'done' : 'failed'
  },
})
