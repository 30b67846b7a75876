// partywall move demo: a move to watch, while somebody writes.

import { dirname } from 'node:path'
import { isolations } from '../../../core/placement.ts'
import { ConfigurationError } from '../../../errors.ts'
import { openFleet } from '../../../fleet.ts'
import { embedded } from '../../../provisioners/embedded.ts'
import { actorAtTerminal } from '../../control-plane.ts'
import { loadApplication } from '../../dev/application.ts'
import { findDemoTenant } from '../../dev/demo-tenants.ts'
import { demonstrateMove } from '../../dev/move-demo.ts'
import { findDevFile } from '../../dev-file.ts'
import type { Outcome } from '../../exit-codes.ts'
import { readFleetSettings } from '../../fleet-settings.ts'
import { pauseText } from '../../move-words.ts'
import { verb } from '../../verb.ts'

export const demo = verb({
  summary: 'Move a demo tenant there and back, while a writer prints a line a second',
  details:
    'Of a partywall dev that runs beside. The writer adds something over HTTP every second, as any client of the service does, and is told nothing of the move. It ends with 1 when anything was refused, or cannot be read again. Ctrl-C brings the tenant home first.',
  args: { tenant: { about: 'a demo tenant (default: acme)', optional: true } },
  flags: { to: { kind: 'choice', of: isolations, about: 'where to', default: 'server' } },
  examples: ['partywall move demo', 'partywall move demo globex --to database'],
  needs: 'a partywall dev that runs in this directory or above',
  async run({ args: { tenant: slug = 'acme' }, flags: { to }, output, signal, terminal }): Promise<Outcome> {
    const dev = await findDevFile(terminal.cwd)
    if (dev?.app === undefined)
      throw new ConfigurationError('No partywall dev runs in this directory or above: start one in another terminal (npm start).')
    const application = await loadApplication(dev.app)
    const { catalog, admin, secrets, config, migrations } = await readFleetSettings(terminal)
    // A server that is made for the tenant lives as long as this command: it goes when the tenant is home.
    const servers = embedded({ directory: dev.servers ?? `${dirname(dev.secrets)}/servers` })
    const options = {
      catalog,
      admin,
      secrets,
      plans: config.plans,
      migrations,
      provisioner: () => servers,
      applicationName: 'partywall demo',
    }
    const fleet = await openFleet(options)
    try {
      const tenant = await findDemoTenant({ fleet, dev }, { slug, to })
      const result = await demonstrateMove({
        fleet,
        dev,
        tenant,
        to,
        probe: application.probe,
        actor: actorAtTerminal(),
        everyMs: 1_000,
        stayMs: 3_000,
        signal,
        say: (line) => output.lines([line], { line }),
      })
      const { written, refused, found, slowestMs, pausesMs } = result
      const verdict = `${written} written, ${refused} refused, ${found} found again; the slowest took ${pauseText(slowestMs)}. The pauses: ${pausesMs.map(pauseText).join(', ')}.`
      output.lines([verdict], result)
      return refused === 0 && found === written ? 'done' : 'failed'
    } finally {
      await fleet.close()
      await servers.stop()
    }
  },
})
