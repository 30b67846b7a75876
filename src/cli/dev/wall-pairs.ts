// The self-check of the demonstration: every tenant tries to be every other one, from wherever it lives.

import type { IdentityProvider } from '../../core/identity.ts'
import { InternalError, WallBreachedError } from '../../errors.ts'
import type { Fleet } from '../../fleet.ts'
import { databaseUrl } from '../../postgres/database.ts'
import { addressOf, type DatabaseAddress, findDatabase } from '../../postgres/database-address.ts'
import type { Tenancy } from '../../tenancy.ts'
import { checkWall, type WallResult } from '../../testing/wall-check.ts'
import type { WallCheckOptions } from '../../testing/wall-stage.ts'
import { checkSuspension } from '../../testing/wall-suspension.ts'
import type { Application } from './application.ts'
import type { DemoTenant } from './demo-tenants.ts'

export interface WallTrialOptions {
  readonly application: Application
  readonly tenancy: Tenancy
  readonly fleet: Fleet
  readonly identity: readonly IdentityProvider[]
  /** URLs of the catalog's own database. */
  readonly urls: { readonly app: string; readonly gatekeeper: string }
  readonly shown: readonly DemoTenant[]
  /** Neighbours who are suspended while the wall is tried: one in the shared tables, one in a schema. */
  readonly drills: readonly DemoTenant[]
}

/** What was tried between two of them; of a tenant at itself, while it was suspended. */
export interface WallPair {
  readonly attacker: string
  readonly victim: string
  readonly attempts: readonly WallResult[]
}

type Suspended = NonNullable<WallCheckOptions['suspended']>
/** A tenant, and who opens the database where it lives. */
type Housed = DemoTenant & { readonly address: DatabaseAddress }

/** On a port of its own that nobody knows: the service is announced when the wall has held. */
export async function tryWall(options: WallTrialOptions): Promise<readonly WallPair[]> {
  const { application, tenancy, identity } = options
  const suspension = suspensionBy(options.fleet)
  const trial = await application.start({ tenancy, identity, host: '127.0.0.1', port: 0 })
  try {
    const shown = await Promise.all(options.shown.map(async (tenant) => ({ ...tenant, address: await addressOfTenant(options, tenant) })))
    const suspended = await Promise.all(options.drills.map((drill) => suspend(tenancy, suspension, drill)))
    const pairs: WallPair[] = []
    // In each round everybody attacks once, and is attacked once.
    for (let distance = 1; distance < shown.length; distance++) {
      const round = shown.map((attacker, at) => {
        const victim = shown[(at + distance) % shown.length]!
        // What says nothing of the victim is tried in the first round.
        return tryPair(options, trial.url, attacker, victim, distance === 1 ? neighbourOf(attacker, suspended) : undefined)
      })
      pairs.push(...(await Promise.all(round)))
    }
    const alone = shown.map(async (party) => {
      const { address, tenant } = party
      const parts = { tenancy, suspension, url: trial.url, database: address.app, probe: application.probe, party }
      return { attacker: tenant.slug, victim: tenant.slug, attempts: (await checkSuspension(parts)).attempts }
    })
    pairs.push(...(await Promise.all(alone)))
    return pairs
  } finally {
    await trial.close()
  }
}

async function tryPair(
  { application, tenancy, fleet, urls }: WallTrialOptions,
  url: string,
  attacker: Housed,
  victim: Housed,
  suspended: Suspended | undefined,
): Promise<WallPair> {
  const { app, gatekeeper } = attacker.address
  const { attempts } = await checkWall({
    tenancy,
    url,
    database: app,
    // In a database of one tenant's own there is no gatekeeper: capabilities are revoked by the migrator.
    catalog: gatekeeper ?? (await fleet.connections.migratorUrl(attacker.tenant.placement.database)),
    probe: application.probe,
    places: {
      victim: victim.address.app,
      catalog: urls.app,
      closed: ['postgres', 'template1'].map((database) => databaseUrl(app, { database })),
    },
    attacker,
    victim,
    suspended,
  })
  return { attacker: attacker.tenant.slug, victim: victim.tenant.slug, attempts }
}

async function addressOfTenant({ fleet, urls }: WallTrialOptions, { tenant }: DemoTenant): Promise<DatabaseAddress> {
  const { database } = tenant.placement
  const row = await findDatabase(fleet.reader, database)
  if (row === undefined) throw new InternalError(`The catalog has no database ${database}, where ${tenant.slug} lives.`)
  return await addressOf(row, urls, fleet.secrets)
}

/** One who lives behind the same walls, if there is one. */
function neighbourOf({ tenant }: DemoTenant, suspended: readonly Suspended[]): Suspended | undefined {
  return suspended.find((party) => party.tenant.placement.database === tenant.placement.database) ?? suspended[0]
}

/** With a capability from before. It was suspended in the last run, too. */
async function suspend(tenancy: Tenancy, suspension: Suspension, drill: DemoTenant): Promise<Suspended> {
  await suspension.resume(drill.tenant)
  const { handle } = await tenancy.issueCapability(drill.tenant.id, { ttlMs: 300_000, reason: 'partywall self-check' })
  await suspension.suspend(drill.tenant)
  return { ...drill, capability: handle }
}

type Suspension = NonNullable<WallCheckOptions['suspension']>

/** By operations, which reach a tenant wherever it lives. */
function suspensionBy({ tenants }: Fleet): Suspension {
  return {
    suspend: async ({ id }) => void (await tenants.suspend(id, { reason: 'The self-check needs a suspended tenant.' })),
    resume: async ({ id }) => void (await tenants.resume(id, { reason: 'The self-check is over with its suspension.' })),
  }
}

/** @throws {WallBreachedError} unless every attempt was made, and refused. */
export function assertUnbreached(pairs: readonly WallPair[]): void {
  const bad = pairs.flatMap(({ attacker, victim, attempts }) =>
    attempts.filter(({ outcome }) => outcome !== 'refused').map((attempt) => ({ ...attempt, attacker, victim })),
  )
  if (bad.length === 0) return
  const list = bad.map(
    ({ attacker, victim, door, name, outcome, detail }) =>
      `  ${outcome === 'leaked' ? 'LEAKED' : outcome} ${door} ${name} (${attacker === victim ? `${attacker}, suspended` : `${attacker} at ${victim}`}): ${detail}`,
  )
  const total = pairs.reduce((sum, { attempts }) => sum + attempts.length, 0)
  throw new WallBreachedError(
    `Refusing to serve: ${bad.length} of ${total} attempts to cross the wall were not refused.\n${list.join('\n')}`,
    { details: { attempts: bad } },
  )
}
