// The fleet for one command: opened with the nearest configuration, used, closed.

import type { BackupSettings } from '../backup/fleet-backups.ts'
import type { PartywallConfig } from '../config.ts'
import type { Actor } from '../core/actor.ts'
import type { Isolation } from '../core/placement.ts'
import type { SecretStore } from '../core/secret-store.ts'
import { parseTenantRef, type Tenant } from '../core/tenant.ts'
import { ConfigurationError, TenantNotFoundError } from '../errors.ts'
import { type Fleet, openFleet } from '../fleet.ts'
import { actorAtTerminal, type ControlPlane, needsAdmin } from './control-plane.ts'
import { readFleetSettings } from './fleet-settings.ts'
import type { Terminal } from './verb.ts'

export interface FleetPlane {
  readonly fleet: Fleet
  readonly secrets: SecretStore
  readonly config: PartywallConfig
  readonly backups: BackupSettings | undefined
  /** Who sits at the terminal, for the journal and the audit trail. */
  readonly actor: Actor
  /** Keeps in the audit trail that the one at the terminal did this. */
  readonly record: ControlPlane['record']
}

/** What must be set up, in the words of the help. */
export const needsFleet = `${needsAdmin}. Secrets are where that partywall dev, or else partywall.config.ts keeps them; else in files in PARTYWALL_SECRETS_DIR; else in variables PARTYWALL_SECRET_…, which are only read`

/**
 * Runs `fn` with the fleet open.
 *
 * @throws {ConfigurationError} when nobody says where the catalog is, or the configuration cannot be.
 */
export async function withFleet<T>(terminal: Terminal, fn: (plane: FleetPlane) => Promise<T>): Promise<T> {
  const { catalog, admin, secrets, config, migrations, backups, audit } = await readFleetSettings(terminal)
  const { plans, hooks, seeds, masks, stores, provisioner } = config
  const options = { catalog, admin, secrets, plans, migrations, backups, audit, hooks, seeds, masks, stores, provisioner }
  const fleet = await openFleet({ ...options, applicationName: 'partywall cli' })
  const actor = actorAtTerminal()
  const record: FleetPlane['record'] = ({ reason, ...done }) =>
    fleet.auditTrail.record({ ...done, outcome: 'allowed', actor, requestId: undefined, reason })
  try {
    return await fn({ fleet, secrets, config, backups, actor, record })
  } finally {
    await fleet.close()
  }
}

/** As the catalog has it at this moment. @throws {TenantNotFoundError} when it has none. */
export async function fleetTenant({ fleet }: FleetPlane, ref: string): Promise<Tenant> {
  const found = await fleet.catalog.find(parseTenantRef(ref))
  if (found === undefined) throw new TenantNotFoundError(`There is no tenant ${JSON.stringify(ref)}. See partywall tenant list.`)
  return found
}

/**
 * A place that is made without the tables that all others have would serve nobody.
 *
 * @throws {ConfigurationError} when the shared tables have been migrated, and this command knows no migrations.
 */
export async function assertKnowsMigrations({ fleet }: FleetPlane, isolation: Isolation): Promise<void> {
  if (isolation === 'pooled' || fleet.migrations.newest !== undefined) return
  const version = await fleet.mainVersion()
  if (version === undefined) return
  throw new ConfigurationError(
    `The shared tables are at ${version}, and this command knows no migrations: a ${isolation} would have no tables. Call it where partywall.config.ts is, whose migrations names their directory.`,
  )
}
