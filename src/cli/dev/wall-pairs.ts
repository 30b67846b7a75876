// The self-check of the demonstration: every tenant tries to be every other one, from wherever it lives.

import type { IdentityProvider } from '../../core/identity.ts'
import { WallBreachedError } from '../../errors.ts'
import type { Fleet } from '../../fleet.ts'
import { addressOf, findDatabase } from '../../postgres/database-address.ts'
import type { Tenancy } from '../../tenancy.ts'
import { checkWall, type WallReport, type WallResult } from '../../testing/wall-check.ts'
import type { Application } from './application.ts'
import type { DemoTenant } from './demo-tenants.ts'

export interface WallPairsOptions {
  readonly application: Application
  readonly tenancy: Tenancy
  readonly fleet: Fleet
  readonly identity: readonly IdentityProvider[]
  /** URLs of the catalog's own database. */
  readonly urls: { readonly app: string; readonly gatekeeper: string }
  readonly shown: readonly DemoTenant[]
  readonly drill: DemoTenant
}

/** What was tried between two of them. */
export interface WallPair {
  readonly attacker: string
  readonly victim: string
  readonly attempts: readonly WallResult[]
}

/** How many pairs are tried side by side. */
const atOnce = 4

/** On a port of its own that nobody knows: the service is announced when the wall has held. */
export async function tryWall(options: WallPairsOptions): Promise<readonly WallPair[]> {
  const { application, tenancy, identity, shown } = options
  const trial = await application.start({ tenancy, identity, host: '127.0.0.1', port: 0 })
  try {
    const first: WallPair[] = []
    // With everything that an attacker can try, one after another: one tenant is suspended on the way.
    for (const [index, attacker] of shown.entries()) {
      first.push(await tryPair(options, trial.url, attacker, shown[(index + 1) % shown.length]!, true))
    }
    const others = shown.flatMap((attacker, index) =>
      shown.flatMap((victim, other) => (other === index || other === (index + 1) % shown.length ? [] : [{ attacker, victim }])),
    )
    const rest: WallPair[] = []
    for (let next = 0; next < others.length; next += atOnce) {
      const some = others.slice(next, next + atOnce)
      rest.push(...(await Promise.all(some.map(({ attacker, victim }) => tryPair(options, trial.url, attacker, victim, false)))))
    }
    return [...first, ...rest]
  } finally {
    await trial.close()
  }
}

async function tryPair(
  options: WallPairsOptions,
  url: string,
  attacker: DemoTenant,
  victim: DemoTenant,
  isWhole: boolean,
): Promise<WallPair> {
  const { application, tenancy, fleet, drill, urls } = options
  const { database, isolation } = attacker.tenant.placement
  const row = await findDatabase(fleet.reader, database)
  const address = row === undefined ? undefined : await addressOf(row, urls, fleet.secrets)
  const { attempts }: WallReport = await checkWall({
    tenancy,
    url,
    database: address?.app ?? urls.app,
    // In a database of one tenant's own there is no gatekeeper: capabilities are revoked by the migrator.
    catalog:
      isolation === 'pooled' || isolation === 'schema'
        ? (address?.gatekeeper ?? urls.gatekeeper)
        : await fleet.connections.migratorUrl(database),
    probe: application.probe,
    attacker,
    victim,
    suspended: isWhole ? drill : undefined,
  })
  return { attacker: attacker.tenant.slug, victim: victim.tenant.slug, attempts }
}

/** @throws {WallBreachedError} unless every attempt was made, and refused. */
export function assertUnbreached(pairs: readonly WallPair[]): void {
  const bad = pairs.flatMap(({ attacker, victim, attempts }) =>
    attempts.filter(({ outcome }) => outcome !== 'refused').map((attempt) => ({ ...attempt, attacker, victim })),
  )
  if (bad.length === 0) return
  const list = bad.map(
    ({ attacker, victim, door, name, outcome, detail }) =>
      `  ${outcome === 'leaked' ? 'LEAKED' : outcome} ${door} ${name} (${attacker} at ${victim}): ${detail}`,
  )
  const total = pairs.reduce((sum, { attempts }) => sum + attempts.length, 0)
  throw new WallBreachedError(
    `Refusing to serve: ${bad.length} of ${total} attempts to cross the wall were not refused.\n${list.join('\n')}`,
    { details: { attempts: bad } },
  )
}
