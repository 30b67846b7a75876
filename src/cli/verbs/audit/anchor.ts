// partywall audit anchor: signs where logs stand, and keeps that elsewhere.

import type { Anchored } from '../../../audit/fleet-audit.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const anchor = verb({
  summary: 'Sign where a tenant’s log stands, or every tenant’s, and keep it elsewhere',
  details:
    'What came since the last time is verified first: a broken chain is never signed. `partywall operation watch` does it every hour.',
  args: { tenant: { about: 'its id or slug; without, all', optional: true } },
  flags: {},
  examples: ['partywall audit anchor acme', 'partywall audit anchor'],
  needs: needsFleet,
  async run({ args: { tenant: ref }, output, terminal, signal }) {
    const anchored: Anchored[] = []
    await withFleet(terminal, async (plane) => {
      const { audit } = plane.fleet
      if (ref === undefined) for await (const one of audit.anchorAll({ signal })) anchored.push(one)
      else {
        const tenant = await fleetTenant(plane, ref)
        anchored.push({ tenant, head: await audit.anchor(tenant, { signal }) })
      }
    })
    await output.table(
      anchored.filter(({ head, error }) => head !== undefined || error !== undefined || ref !== undefined),
      {
        TENANT: ({ tenant }) => tenant.slug,
        POSITION: ({ head }) => head?.position ?? '-',
        AT: ({ head }) => head?.at ?? '-',
        KEY: ({ head }) => head?.key ?? '-',
        ERROR: ({ error }) => (error === undefined ? '' : error instanceof Error ? error.message : String(error)),
      },
    )
    const failed = anchored.filter(({ error }) => error !== undefined).length
    if (failed === 0) return 'done'
    return failed === anchored.length ? 'failed' : 'partly'
  },
})
