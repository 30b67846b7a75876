// What commands on the whole fleet go by: the control plane, its secrets, and the nearest configuration with its migrations.

import { stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { directoryAnchors } from '../audit/directory-anchor-store.ts'
import type { BackupSettings } from '../backup/fleet-backups.ts'
import type { PartywallConfig } from '../config.ts'
import type { SecretStore } from '../core/secret-store.ts'
import { ConfigurationError } from '../errors.ts'
import type { AuditSettings } from '../fleet-audit.ts'
import { directoryStore } from '../objects/directory-store.ts'
import { environmentSecrets } from '../secrets/environment.ts'
import { fileSecrets } from '../secrets/file.ts'
import { type FoundConfig, findConfig } from './config-file.ts'
import { readAdminSettings, type Settings } from './settings.ts'
import type { Terminal } from './verb.ts'

export interface FleetSettings {
  readonly catalog: string
  readonly admin: string
  /** The app's login, where it is needed. */
  readonly app: string | undefined
  readonly secrets: SecretStore
  readonly config: PartywallConfig
  /** Undefined when nobody says where backups are kept. */
  readonly backups: BackupSettings | undefined
  readonly audit: AuditSettings | undefined
  /** Undefined when nobody names a directory, and the usual one is not there. */
  readonly migrations: URL | undefined
}

/** @throws {ConfigurationError} when nobody says where the catalog is, or the configuration cannot be. */
export async function readFleetSettings(terminal: Terminal): Promise<FleetSettings> {
  const settings = await readAdminSettings(terminal)
  // A partywall dev runs with a configuration that may be elsewhere: with the application that it runs.
  const beside = settings.dev?.config
  const found = (await findConfig(terminal.cwd)) ?? (beside === undefined ? undefined : await findConfig(beside))
  const config = found?.config ?? {}
  const { catalog, admin } = settings
  return {
    catalog,
    admin,
    app: settings.app,
    config,
    secrets: secretsOf(terminal, settings, config),
    backups: backupsOf(terminal, settings, config),
    audit: auditOf(terminal, settings, config),
    migrations: await migrationsOf(settings, found),
  }
}

function secretsOf({ env, cwd }: Terminal, { dev }: Settings, { secrets }: PartywallConfig): SecretStore {
  // Whoever works on the database of a partywall dev must not touch the secrets of production.
  if (dev?.secrets !== undefined) return fileSecrets({ directory: dev.secrets })
  if (secrets !== undefined) return secrets
  const { PARTYWALL_SECRETS_DIR: directory } = env
  return directory ? fileSecrets({ directory: resolve(cwd, directory) }) : environmentSecrets(env)
}

function backupsOf({ env, cwd }: Terminal, { dev }: Settings, { backups }: PartywallConfig): BackupSettings | undefined {
  // The same for backups: those of a partywall dev lie beside its secrets.
  if (dev?.secrets !== undefined) return { ...backups, store: directoryStore(join(dirname(dev.secrets), 'backups')) }
  if (backups !== undefined) return backups
  const { PARTYWALL_BACKUPS_DIR: directory } = env
  return directory ? { store: directoryStore(resolve(cwd, directory)) } : undefined
}

/** Undefined: beside the backups, where there are any. */
function auditOf({ env, cwd }: Terminal, { dev }: Settings, { audit }: PartywallConfig): AuditSettings | undefined {
  if (dev?.secrets !== undefined) return { ...audit, anchors: directoryAnchors(join(dirname(dev.secrets), 'anchors')) }
  if (audit?.anchors !== undefined) return audit
  const { PARTYWALL_ANCHORS_DIR: directory } = env
  return directory ? { ...audit, anchors: directoryAnchors(resolve(cwd, directory)) } : audit
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
