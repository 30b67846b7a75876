// Everything that `partywall dev` runs, in the order of opening: database server, partywall, migrations, tenants, self-check,
// the service. What opens also closes, in the opposite order, also when a later step fails.

import { resolve } from 'node:path'
import type { PartywallConfig } from '../../config.ts'
import type { IdentityProvider } from '../../core/identity.ts'
import { WallBreachedError } from '../../errors.ts'
import { apiKey } from '../../identity/api-key.ts'
import { jwt } from '../../identity/jwt.ts'
import { databaseUrl, ensureDatabase } from '../../postgres/database.ts'
import { type EmbeddedServer, startEmbeddedServer } from '../../postgres/embedded.ts'
import { installPartywall } from '../../postgres/install.ts'
import { logins } from '../../postgres/installation.ts'
import { migrateShared } from '../../postgres/migrations/migrate-shared.ts'
import { createTenancy, type Tenancy } from '../../tenancy.ts'
import { checkWall, type WallReport } from '../../testing/wall-check.ts'
import { type DevFile, removeDevFile, writeDevFile } from '../dev-file.ts'
import type { Application } from './application.ts'
import { type DemoTenant, issuer, openDemoTenants } from './demo-tenants.ts'
import { keepSecrets, openSecrets, type Secrets } from './secrets.ts'

export interface DevOptions {
  readonly application: Application
  /** Where everything is kept between runs: `.partywall`. */
  readonly directory: string
  /** Default 127.0.0.1. */
  readonly host?: string | undefined
  /** Default: any free one. */
  readonly port?: number | undefined
  /** Plans of the application, beside those of the demonstration. */
  readonly plans?: PartywallConfig['plans']
  /** Told of each step. */
  readonly report?: ((line: string) => void) | undefined
  /** Settings of the database server; see EmbeddedServerOptions. */
  readonly settings?: Readonly<Record<string, string | number>> | undefined
}

export interface DevEnvironment {
  readonly description: DevFile
  readonly tenants: readonly DemoTenant[]
  readonly wall: WallReport
  /** Stops serving, closes the database and removes dev.json. */
  close(): Promise<void>
}

/** Weights of the demo's plans in the queue before the pool. */
const plans = { enterprise: { weight: 4 }, team: { weight: 2 }, free: { weight: 1 } } as const

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
    const urls = await openDatabase(server, application, secrets, report)
    const tenancy = await createTenancy({
      catalog: urls.gatekeeper,
      database: urls.app,
      admin: urls.admin,
      plans: { ...plans, ...options.plans },
      applicationName: application.name,
    })
    closers.push(() => tenancy.close())
    const { shown, drill, apiKeys } = await openDemoTenants({ tenancy, application, secrets })
    await keepSecrets(directory, { ...secrets, apiKeys })
    const identity = identities(tenancy, application, secrets)
    const wall = await tryWall({ application, tenancy, identity, urls, shown, drill })
    assertUnbreached(wall)
    const service = await application.start({ tenancy, identity, host, port })
    closers.push(() => service.close())
    const { app, admin, gatekeeper } = urls
    const description: DevFile = {
      url: service.url,
      tenants: shown.map(({ tenant, token, apiKey: key }) => ({ slug: tenant.slug, id: tenant.id, token, apiKey: key })),
      database: { app, admin, gatekeeper, host: server.host, port: server.port, name: application.name },
      pid: process.pid,
    }
    await writeDevFile(directory, description)
    closers.push(() => removeDevFile(directory, process.pid))
    return { description, tenants: shown, wall, close }
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

async function openDatabase(
  server: EmbeddedServer,
  application: Application,
  secrets: Secrets,
  report: (line: string) => void,
): Promise<Urls> {
  const superuser = await ensureDatabase({ superuserUrl: server.superuserUrl, name: application.name })
  await installPartywall({ connectionString: superuser, passwords: secrets.passwords })
  const login = (name: keyof typeof logins) => databaseUrl(superuser, { login: { name: logins[name], password: secrets.passwords[name] } })
  const urls = { superuser, app: login('app'), admin: login('migrator'), gatekeeper: login('gatekeeper') }
  const applied = await migrateShared({ admin: urls.admin, directory: application.migrations })
  report(applied.length === 0 ? 'The database is up to date' : `Migrated: ${applied.map(({ file }) => file).join(', ')}`)
  return urls
}

function identities(tenancy: Tenancy, application: Application, secrets: Secrets): readonly IdentityProvider[] {
  const key = Buffer.from(secrets.tokenKey, 'base64url')
  return [jwt({ algorithm: 'HS256', key, issuer, audience: application.name }), apiKey({ keys: tenancy.apiKeys })]
}

/** On a port of its own that nobody knows: the service is announced when the wall has held. */
async function tryWall(parts: {
  readonly application: Application
  readonly tenancy: Tenancy
  readonly identity: readonly IdentityProvider[]
  readonly urls: Urls
  readonly shown: readonly DemoTenant[]
  readonly drill: DemoTenant
}): Promise<WallReport> {
  const { application, tenancy, identity, urls, shown, drill } = parts
  const [victim, attacker] = shown as readonly [DemoTenant, DemoTenant]
  const trial = await application.start({ tenancy, identity, host: '127.0.0.1', port: 0 })
  try {
    const { app, gatekeeper } = urls
    return await checkWall({
      tenancy,
      url: trial.url,
      database: app,
      catalog: gatekeeper,
      probe: application.probe,
      attacker,
      victim,
      suspended: drill,
    })
  } finally {
    await trial.close()
  }
}

function assertUnbreached(wall: WallReport): void {
  const bad = wall.attempts.filter((attempt) => attempt.outcome !== 'refused')
  if (bad.length === 0) return
  const list = bad.map(({ door, name, outcome, detail }) => `  ${outcome === 'leaked' ? 'LEAKED' : outcome} ${door} ${name}: ${detail}`)
  throw new WallBreachedError(
    `Refusing to serve: ${bad.length} of ${wall.attempts.length} attempts to cross the wall were not refused.\n${list.join('\n')}`,
    { details: { attempts: bad } },
  )
}
