// partywall migrate drift: every place against the shape that its migrations make.

import { needsFleet } from '../../fleet-plane.ts'
import { withMigrations } from '../../migrations.ts'
import { verb } from '../../verb.ts'

export const drift = verb({
  summary: 'Compare every tenant’s tables with what the migrations make of them',
  details:
    'Object by object, with the SQL that mends it; nothing is changed. It ends with 1 when something differs, or could not be looked at.',
  examples: ['partywall migrate drift', 'partywall migrate drift --json'],
  needs: needsFleet,
  async run({ output, progress, signal, terminal }) {
    let [looked, differing] = [0, 0]
    await withMigrations(terminal, {}, async (rollout) => {
      const { versions } = await rollout.status()
      progress.start(
        versions.filter(({ version }) => version !== null).reduce((sum, { places }) => sum + places, 0),
        'drift',
      )
      for await (const place of rollout.drift({ signal })) {
        looked += 1
        const { slug, database, schema, version, findings, error } = place
        if (findings.length > 0 || error !== undefined) differing += 1
        progress.advance({ done: looked - differing, failed: differing })
        if (findings.length === 0 && error === undefined) continue
        const where = `${slug ?? database} (${database}.${schema}, at ${version})`
        const lines = findings.flatMap(({ kind, name, problem, fix }) => [
          `  ${kind} ${name}: ${problem}`,
          ...(fix === null ? [] : [`    ${fix}`]),
        ])
        output.lines([error === undefined ? `${where}:` : `${where}: ${error.message}`, ...lines], place)
      }
    })
    progress.finish()
    if (signal.aborted) return 'interrupted'
    if (!output.isJson)
      terminal.print(`${looked} places, ${differing === 0 ? 'all as they should be' : `${differing} of them not as they should be`}.`)
    return differing > 0 ? 'failed' : 'done'
  },
})
