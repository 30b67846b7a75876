// Everything that `partywall dev` runs, in the order of opening: database servers, partywall, the fleet, migrations, tenants,
// self-check, the service. What opens also closes, in the opposite order, also when a later step fails.

import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BackupSettings } from '../../backup/fleet-backups.ts'
import type { PartywallConfig } from '../../config.ts'
import type { IdentityProvider } from '../../core/identity.ts'
import type { Plan } from '../../core/plans.ts'
import type { SecretStore } from '../../core/secret-store.ts'
import { ConfigurationError, OperationInProgressError } from '../../errors.ts'
import { type Fleet, openFleet } from '../../fleet.ts'
import { apiKey } from '../../identity/api-key.ts'
import { jwt } from '../../identity/jwt.ts'
import { directoryStore } from '../../objects/directory-store.ts'
import { databaseUrl, ensureDatabase } from '../../postgres/database.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../postgres/embedded.ts'
import { installPartywall } from '../../postgres/install.ts'
import { logins } from '../../postgres/installation.ts'
import { type EmbeddedProvisioner, embedded } from '../../provisioners/embedded.ts'
import { fileSecrets } from '../../secrets/file.ts'
import { createTenancy, type Tenancy } from '../../tenancy.ts'
import type { FoundConfig } from '../config-file.ts'
import { type DevFile, removeDevFile, writeDevFile } from '../dev-file.ts'
import type { Application } from './application.ts'
import { type DemoTenant, issuer, openDemoTenants } from './demo-tenants.ts'
import { takeBackDemoMoves } from './move-demo.ts'
import { type DemoProof, proveDemo } from './proof.ts'
import { keepSecrets, openSecrets, type Secrets } from './secrets.ts'
import { finishOperations, leaseMs } from './unfinished.ts'
import { assertUnbreached, tryWall, type WallPair } from './wall-pairs.ts'

export interface DevOptions {
  readonly application: Application
  /** The application's module, for commands that run beside. */
  readonly file?: string | undefined
  /** Where everything is kept between runs: `.partywall`. */
  readonly directory: string
  /** Default 127.0.0.1. */
  readonly host?: string | undefined
  /** Default: any free one. */
  readonly port?: number | undefined
  /** The application's: its plans, beside those of the demonstration; seeds, hooks and stores. */
  readonly config?: Pick<FoundConfig, 'config' | 'directory'> | undefined
  /** Told of each step. */
  readonly report?: ((line: string) => void) | undefined
  /** Settings of the database server; see EmbeddedServerOptions. */
  readonly settings?: Readonly<Record<string, string | number>> | undefined
}

export interface DevEnvironment {
  readonly description: DevFile
  readonly tenants: readonly DemoTenant[]
  readonly wall: readonly WallPair[]
  readonly proof: DemoProof
  /** Stops serving, closes the database and removes dev.json. */
  close(): Promise<void>
}

/** The demo's plans: each has a placement of its own. */
const demoPlans: Readonly<Record<string, Plan>> = {
  free: { weight: 1 },
  team: { weight: 2, placement: 'schema' },
  business: { weight: 3, placement: 'database', features: { sso: true } },
  enterprise: { weight: 4, placement: 'server', features: { sso: true, audit: true } },
}

/**
 * Brings all of it up.
 *
 * @throws {WallBreachedError} when the self-check got through the wall: nothing is served then.
 * @throws {ConfigurationError} {@link DatabaseUnavailableError} {@link BootRefusedError}
 */
export async function startDevEnvironment(options: DevOptions): Promise<DevEnvironment> {
  const { application, host = '127.0.0.1', port = 0, report = () => {} } = options
  const directory = resolve(options.directory)
  const closers: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (let next = closers.pop(); next !== undefined; next = closers.pop()) await next()
  }
  try {
    const server = await startEmbeddedServer({ directory, settings: options.settings })
    closers.push(() => server.stop())
    report(`PostgreSQL ${server.version} runs on port ${server.port}; its data are in ${server.dataDirectory}`)
    const secrets = await openSecrets(directory)
    const urls = await openDatabase({ server, application, secrets, directory })
    const config = { ...options.config?.config, plans: { ...demoPlans, ...options.config?.config.plans } }
    const store = fileSecrets({ directory: join(directory, 'secrets') })
    const servers = embedded({ directory: join(directory, 'servers'), settings: options.settings })
    closers.push(() => servers.stop())
    const backups = { ...config.backups, store: directoryStore(join(directory, 'backups')) }
    const fleet = await openDevFleet({ application, urls, config, store, backups, servers, report })
    closers.push(() => fleet.close())
    const tenancy = await createTenancy({
      catalog: urls.gatekeeper,
      database: urls.app,
      admin: urls.admin,
      secrets: store,
      plans: config.plans,
      // The application is written for the newest: a tenant whose migration failed is refused by name, not by a broken query.
      serves: { min: fleet.migrations.newest, max: fleet.migrations.newest },
      audit: {},
      applicationName: application.name,
    })
    closers.push(() => tenancy.close())
    const { shown, drills, apiKeys } = await openDemoTenants({ tenancy, fleet, application, secrets, report })
    await keepSecrets(directory, { ...secrets, apiKeys })
    const identity = identities(tenancy, application, secrets)
    report('Every tenant tries to be every other one …')
    const wall = await tryWall({ application, tenancy, fleet, identity, urls, shown, drills })
    assertUnbreached(wall)
    report('The doctor looks at every database, and what it saw goes into a report …')
    const proof = await proveDemo({ fleet, tenant: shown[0]!.tenant, wall, app: urls.app, directory })
    const service = await application.start({ tenancy, identity, host, port })
    closers.push(() => service.close())
    const { app, admin, gatekeeper } = urls
    const description: DevFile = {
      url: service.url,
      tenants: shown.map(({ tenant: { slug, id, placement }, token, apiKey }) => ({
        slug,
        id,
        isolation: placement.isolation,
        token,
        apiKey,
      })),
      database: { app, admin, gatekeeper, host: server.host, port: server.port, name: application.name },
      secrets: join(directory, 'secrets'),
      migrations: fileURLToPath(application.migrations),
      ...(options.config !== undefined && { config: options.config.directory }),
      ...(options.file !== undefined && { app: options.file }),
      servers: join(directory, 'servers'),
      pid: process.pid,
    }
    await writeDevFile(directory, description)
    closers.push(() => removeDevFile(directory, process.pid))
    return { description, tenants: shown, wall, proof, close }
  } catch (error) {
    await close()
    throw error
  }
}

interface Urls {
  readonly superuser: string
  readonly app: string
  readonly admin: string
  readonly gatekeeper: string
}

async function openDatabase(parts: {
  readonly server: EmbeddedServer
  readonly application: Application
  readonly secrets: Secrets
  readonly directory: string
}): Promise<Urls> {
  const { server, application, secrets, directory } = parts
  const superuser = await ensureDatabase({ superuserUrl: server.superuserUrl, name: application.name })
  await installPartywall({ connectionString: superuser, passwords: secrets.passwords }).catch((error: unknown) => {
    if (!(error instanceof ConfigurationError)) throw error
    throw new ConfigurationError(
      `${directory} was made by another version of partywall: ${error.message} Delete ${directory} to start afresh; the demonstration's data go with it.`,
      { cause: error },
    )
  })
  const login = (name: keyof typeof logins) => databaseUrl(superuser, { login: { name: logins[name], password: secrets.passwords[name] } })
  return { superuser, app: login('app'), admin: login('migrator'), gatekeeper: login('gatekeeper') }
}

/** The fleet of the demonstration: this server, a database for schemas on it, and a server for each tenant who wants its own. */
async function openDevFleet(parts: {
  readonly application: Application
  readonly urls: Urls
  readonly config: PartywallConfig
  readonly store: SecretStore
  /** Of the demonstration alone: its tenants are no business of the store in the configuration. */
  readonly backups: BackupSettings
  readonly servers: EmbeddedProvisioner
  readonly report: (line: string) => void
}): Promise<Fleet> {
  const { application, urls, store, backups, servers, report } = parts
  const { plans, seeds, hooks, stores } = parts.config
  const fleet = await openFleet({
    catalog: urls.gatekeeper,
    admin: urls.admin,
    secrets: store,
    backups,
    plans,
    seeds,
    hooks,
    stores,
    migrations: application.migrations,
    provisioner: () => servers,
    leaseMs,
    applicationName: application.name,
  })
  try {
    await fleet.servers.adoptMain({ adminUrl: urls.superuser })
    const own = await fleet.catalog.list({ isolation: 'server', limit: 1_000 })
    const moving = await fleet.moves.list({ open: true, limit: 1_000 })
    const toServers = moving.filter(({ source, target }) => [source, target].some(({ isolation }) => isolation === 'server'))
    await servers.start([...new Set([...own.tenants.map(({ id }) => id), ...toServers.map(({ tenantId }) => tenantId)])])
    await takeBackDemoMoves(fleet, report)
    const applied = await migrateShared(fleet, report)
    report(applied.length === 0 ? 'The shared tables are up to date' : `Migrated: ${applied.map(({ file }) => file).join(', ')}`)
    await fleet.placements.schemaDatabases.create({ server: 'main', name: `${application.name.replaceAll('-', '_')}_schemas` })
    // What a killed run left half-made; and the places of tenants who were there before a new migration.
    await finishOperations(fleet, report)
    const plan = await fleet.rollout.plan()
    if (plan.total > 0) {
      const { done } = await fleet.rollout.up({ actor: { kind: 'system', id: 'partywall dev' }, ignoresLint: true })
      report(`Migrated ${done} places of tenants to ${plan.to}`)
    }
    return fleet
  } catch (error) {
    await fleet.close()
    throw error
  }
}

/** A move that somebody left open keeps the shape of the shared tables: it is served as it is. */
async function migrateShared(fleet: Fleet, report: (line: string) => void): ReturnType<Fleet['migrateMain']> {
  try {
    return await fleet.migrateMain()
  } catch (error) {
    if (!(error instanceof OperationInProgressError)) throw error
    report(error.message)
    return []
  }
}

function identities(tenancy: Tenancy, application: Application, secrets: Secrets): readonly IdentityProvider[] {
  const key = Buffer.from(secrets.tokenKey, 'base64url')
  return [jwt({ algorithm: 'HS256', key, issuer, audience: application.name }), apiKey({ keys: tenancy.apiKeys })]
}
