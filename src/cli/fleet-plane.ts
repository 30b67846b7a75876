// The fleet for one command: opened with the nearest configuration, used, closed.

import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { PartywallConfig } from '../config.ts'
import type { Actor } from '../core/actor.ts'
import type { Isolation } from '../core/placement.ts'
import type { SecretStore } from '../core/secret-store.ts'
import { parseTenantRef, type Tenant } from '../core/tenant.ts'
import { ConfigurationError, TenantNotFoundError } from '../errors.ts'
import { type Fleet, openFleet } from '../fleet.ts'
import { environmentSecrets } from '../secrets/environment.ts'
import { fileSecrets } from '../secrets/file.ts'
import { type FoundConfig, findConfig } from './config-file.ts'
import { actorAtTerminal, type ControlPlane, needsAdmin } from './control-plane.ts'
import { readAdminSettings, type Settings } from './settings.ts'
import type { Terminal } from './verb.ts'

export interface FleetPlane {
  readonly fleet: Fleet
  readonly secrets: SecretStore
  readonly config: PartywallConfig
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
  const settings = await readAdminSettings(terminal)
  const found = await findConfig(terminal.cwd)
  const config = found?.config ?? {}
  const secrets = secretsOf(terminal, settings, config)
  const { catalog, admin } = settings
  const { plans, hooks, seeds, stores, provisioner } = config
  const migrations = await migrationsOf(settings, found)
  const options = { catalog, admin, secrets, plans, migrations, hooks, seeds, stores, provisioner }
  const fleet = await openFleet({ ...options, applicationName: 'partywall cli' })
  const actor = actorAtTerminal()
  const record: FleetPlane['record'] = ({ reason, ...done }) =>
    fleet.auditTrail.record({ ...done, outcome: 'allowed', actor, requestId: undefined, reason })
  try {
    return await fn({ fleet, secrets, config, actor, record })
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

function secretsOf({ env, cwd }: Terminal, { dev }: Settings, { secrets }: PartywallConfig): SecretStore {
  // Whoever works on the database of a partywall dev must not touch the secrets of production.
  if (dev?.secrets !== undefined) return fileSecrets({ directory: dev.secrets })
  if (secrets !== undefined) return secrets
  const { PARTYWALL_SECRETS_DIR: directory } = env
  return directory ? fileSecrets({ directory: resolve(cwd, directory) }) : environmentSecrets(env)
}

async function migrationsOf({ dev }: Settings, found: FoundConfig | undefined): Promise<URL | undefined> {
  if (dev?.migrations !== undefined) return directoryUrl(dev.migrations)
  if (found === undefined) return undefined
  const directory = resolve(found.directory, found.config.migrations ?? 'migrations')
  const isThere = await stat(directory).then(
    (entry) => entry.isDirectory(),
    () => false,
  )
  if (isThere) return directoryUrl(directory)
  // A project may have no migrations yet; but who names a directory means it.
  if (found.config.migrations === undefined) return undefined
  throw new ConfigurationError(`${found.file}: migrations: there is no directory ${directory}.`)
}

function directoryUrl(directory: string): URL {
  return new URL(`${pathToFileURL(directory).href}/`)
}
