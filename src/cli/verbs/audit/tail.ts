// partywall audit tail: what happens in a tenant now.

import { auditFilterFlags, auditFilterOf, noLog, tellEntry } from '../../audit-entries.ts'
import { fleetTenant, needsFleet, withFleet } from '../../fleet-plane.ts'
import { verb } from '../../verb.ts'

export const tail = verb({
  summary: 'Follow a tenant’s accesses until Ctrl-C',
  details: 'An entry is told a second or two after it happened: it is written with others.',
  args: { tenant: 'its id or slug' },
  flags: {
    ...auditFilterFlags,
    every: { kind: 'number', value: 'ms', about: 'between two looks', min: 100, max: 60_000, default: 1_000 },
    once: { kind: 'switch', about: 'what there is from --since on, and no more' },
  },
  examples: ['partywall audit tail acme --outcome refused'],
  needs: needsFleet,
  async run({ args, flags: { every, once, ...flags }, output, terminal, signal }) {
    await withFleet(terminal, async (plane) => {
      const { audit } = plane.fleet
      const tenant = await fleetTenant(plane, args.tenant)
      const { head } = await audit.status(tenant)
      if (head === undefined) throw noLog(tenant)
      // With a beginning asked for, from there; otherwise from now on.
      let from = flags.since === undefined ? head + 1n : 1n
      for (;;) {
        const current = await plane.fleet.catalog.find({ kind: 'id', id: tenant.id })
        await audit.list(current ?? tenant, auditFilterOf(flags), (entry) => tellEntry(output, entry), {
          from,
          onRow: (position) => {
            from = position + 1n
          },
        })
        if (once || signal.aborted) return
        await pause(every, signal)
        if (signal.aborted) return
      }
    })
  },
})

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
