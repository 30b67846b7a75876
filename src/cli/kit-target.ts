// What the isolation kit is pointed at from the command line: the migrations of the configuration, and an application if one is named.

import { randomBytes } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { issueToken, jwt } from '../identity/jwt.ts'
import type { OpenApi } from '../testing/isolation/http/routes.ts'
import type { OpenedApp } from '../testing/isolation/prove-isolated.ts'
import type { TestTenancy, TestTenancyOptions } from '../testing/test-tenancy.ts'
import { loadApplication } from './dev/application.ts'
import { findMigrations } from './migrations.ts'
import type { Terminal } from './verb.ts'

const tokenLifeSec = 3_600

/** Flags of every verb that attacks. */
export const kitFlags = {
  app: { kind: 'text', value: 'module', about: 'as for partywall dev: its routes are attacked too, and its migrations are used' },
  migrations: { kind: 'text', value: 'dir', about: 'numbered SQL files (default: those of the application, or of the configuration)' },
  server: { kind: 'text', value: 'url', about: 'a superuser’s URL of a server for tests alone (default: an embedded one)' },
  only: { kind: 'list', value: 'prefixes', about: 'attacks whose id begins with one of these' },
} as const

export interface KitTarget extends TestTenancyOptions {
  readonly only: readonly string[] | undefined
  open(kit: TestTenancy): Promise<OpenedApp>
}

/** Reads the flags. */
export async function kitTarget(
  { cwd }: Terminal,
  flags: {
    readonly app: string | undefined
    readonly migrations: string | undefined
    readonly server: string | undefined
    readonly only: readonly string[]
  },
): Promise<KitTarget> {
  const file = flags.app === undefined ? undefined : resolve(cwd, flags.app)
  const application = file === undefined ? undefined : await loadApplication(file)
  const migrations =
    flags.migrations === undefined
      ? (application?.migrations ?? (await findMigrations(file === undefined ? cwd : dirname(file))).directory)
      : pathToFileURL(`${resolve(cwd, flags.migrations)}/`)
  return {
    migrations,
    server: flags.server,
    only: flags.only.length === 0 ? undefined : flags.only,
    async open({ tenancy }) {
      if (application === undefined) return {}
      const tokens = {
        algorithm: 'HS256',
        key: randomBytes(32),
        issuer: 'https://partywall.localhost/kit',
        audience: application.name,
      } as const
      const identity = [jwt(tokens)]
      const service = await application.start({ tenancy, identity, host: '127.0.0.1', port: 0 })
      const described = await fetch(new URL('/openapi.json', service.url))
      return {
        app: new URL(service.url),
        routes: described.ok ? ((await described.json()) as OpenApi) : undefined,
        auth: async ({ id, slug }) => {
          const token = await issueToken({ ...tokens, subject: `kit@${slug}`, tenants: [id], ttlSec: tokenLifeSec })
          return { authorization: `Bearer ${token}` }
        },
        close: () => service.close(),
      }
    },
  }
}
