// partywall migrate status: who is where, and why.

import type { PlaceListOptions, PlaceStatus } from '../../../postgres/rollout/status.ts'
import { needsFleet } from '../../fleet-plane.ts'
import { withMigrations } from '../../migrations.ts'
import { verb } from '../../verb.ts'

const pageMax = 1_000

type Only = NonNullable<PlaceListOptions['only']>

export const status = verb({
  summary: 'Say who is at which version, and why somebody is behind',
  details: 'Without --only the fleet at a glance: places by version, and the last run by ring. With it, place by place.',
  flags: {
    only: { kind: 'choice', of: ['all', 'behind', 'failed', 'skipped', 'pending', 'running', 'done'], about: 'list these places' },
    limit: { kind: 'number', about: 'places listed at most', min: 1, max: 1_000_000, default: 1_000 },
  },
  examples: ['partywall migrate status', 'partywall migrate status --only failed', 'partywall migrate status --only behind --json'],
  needs: needsFleet,
  async run({ flags, output, terminal }) {
    const { only, limit } = flags
    await withMigrations(terminal, {}, async (rollout) => {
      if (only !== undefined) {
        const places = everyPage(limit, (options) => rollout.places({ ...options, only: only as Only }))
        return await output.table(places, {
          PLACE: ({ slug, database, schema }) => slug ?? `${database}.${schema}`,
          ISOLATION: ({ isolation }) => isolation,
          VERSION: ({ version }) => version ?? 'none',
          RING: ({ ring }) => ring ?? '',
          STATE: ({ state }) => state ?? '',
          WHY: ({ error }) => error?.message ?? '',
        })
      }
      const found = await rollout.status()
      if (output.isJson) return output.record(found)
      const { behind, newest, versions, run } = found
      terminal.print(behind === 0 ? `Every place is at ${newest ?? 'the beginning'}.` : `${behind} places are behind ${newest}.`)
      await output.table(versions, {
        VERSION: ({ version }) => version ?? 'none',
        ISOLATION: ({ isolation, isStock }) => (isStock ? `${isolation} (in stock)` : isolation),
        PLACES: ({ places }) => String(places),
      })
      if (run === undefined) return
      terminal.print(`The last run, to ${run.version}, is ${run.state}${run.reason === null ? '' : `: ${run.reason}`}.`)
      await output.table(run.counts, {
        RING: ({ ring }) => ring,
        DONE: ({ done }) => String(done),
        FAILED: ({ failed }) => String(failed),
        SKIPPED: ({ skipped }) => String(skipped),
        LEFT: ({ pending, running }) => String(pending + running),
      })
    })
  },
})

async function* everyPage(
  limit: number,
  page: (options: PlaceListOptions) => Promise<{ readonly places: readonly PlaceStatus[]; readonly next: PlaceListOptions['after'] }>,
): AsyncGenerator<PlaceStatus> {
  let after: PlaceListOptions['after']
  for (let left = limit; left > 0; ) {
    const { places, next } = await page({ limit: Math.min(left, pageMax), after })
    yield* places
    left -= places.length
    after = next
    if (next === undefined) return
  }
}
