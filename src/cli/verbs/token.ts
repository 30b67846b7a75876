// partywall token: a capability for psql, BI tools and other languages.

import { ConfigurationError } from '../../errors.ts'
import { withControlPlane } from '../control-plane.ts'
import { readSettings } from '../settings.ts'
import type { Verb } from '../verb.ts'

const ttlSecDefault = 60
const ttlSecMax = 3_600

export const token: Verb = {
  summary: 'Print a short-lived capability of one tenant, for psql and other languages',
  usage: `partywall token <tenant> [--ttl ${ttlSecDefault}]

Prints a capability of the tenant (an id or a slug), and nothing else. In a transaction over the app's login,

  begin; select partywall.bind('<capability>'); select … ; commit;

sees that tenant's rows. It is a secret for as long as it lives: --ttl seconds, 1 to ${ttlSecMax}.
Issuing is audited. Needs PARTYWALL_CATALOG_URL, or a partywall dev that runs beside.`,
  options: { ttl: { type: 'string' } },
  async run({ args, flags, terminal }) {
    const [tenant, ...more] = args
    if (tenant === undefined || more.length > 0) throw new ConfigurationError('Name one tenant: partywall token acme --ttl 60')
    const ttlSec = readTtl(flags['ttl'])
    const settings = await readSettings(terminal)
    const handle = await withControlPlane(settings, async ({ tenants, capabilities, auditTrail, actor }) => {
      const { id } = await tenants.get(tenant)
      await auditTrail.record({
        action: 'capability.issue',
        outcome: 'allowed',
        actor,
        tenantId: id,
        requestId: undefined,
        reason: 'partywall token',
      })
      return (await capabilities.issue(id, ttlSec * 1_000)).handle
    })
    terminal.print(handle)
  },
}

function readTtl(given: string | boolean | undefined): number {
  const text = given === undefined ? String(ttlSecDefault) : String(given)
  const ttlSec = Number(text)
  if (/^[0-9]{1,4}$/.test(text) && ttlSec >= 1 && ttlSec <= ttlSecMax) return ttlSec
  throw new ConfigurationError(`--ttl is ${JSON.stringify(text)}; it must be a whole number of seconds, 1 to ${ttlSecMax}.`)
}
