// The documents service on a database of its own, served over a real socket, with two tenants and one that is suspended.

import { readdir, readFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { type Application, loadApplication } from '../../src/cli/dev/application.ts'
import type { Tenant } from '../../src/core/tenant.ts'
import { apiKey, issueApiKey } from '../../src/identity/api-key.ts'
import { issueToken, jwt } from '../../src/identity/jwt.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import type { WallCheckOptions, WallParty } from '../../src/testing/wall-stage.ts'
import { groundFor, type Views, viewsOf } from './cast.ts'
import type { TestDatabase } from './database.ts'
import { hasOwnDatabase, sharesTables } from './isolation.ts'

const tokens = { algorithm: 'HS256', key: Buffer.alloc(32, 7), issuer: 'https://issuer.test', audience: 'documents' } as const

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: an answer's body has whatever shape the service gave it
  readonly json: any
}

export interface Ask {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: unknown
  /** As it is, instead of JSON. */
  readonly raw?: string
}

export interface DocumentsStage extends Views {
  readonly application: Application
  readonly database: TestDatabase
  readonly tenancy: Tenancy
  readonly url: string
  readonly bob: WallParty
  readonly carol: WallParty
  /** Suspended. */
  readonly dave: WallParty
  ask(party: WallParty | undefined, path: string, options?: Ask): Promise<Answer>
  /** What the live self-check needs, with bob for the victim and carol for the attacker. */
  readonly wall: WallCheckOptions
}

export async function documentsStage(t: TestContext): Promise<DocumentsStage> {
  const application = await loadApplication(new URL('../../examples/documents/src/application.ts', import.meta.url).pathname)
  const ground = await groundFor(t)
  const { database } = ground
  const files = (await readdir(application.migrations)).filter((file) => file.endsWith('.sql')).sort()
  for (const file of files) await ground.housing.migrate(await readFile(new URL(file, application.migrations), 'utf8'))
  const tenancy = await createTenancy({ ...ground.access, applicationName: 'documents', audit: {} })
  const views = viewsOf(ground, tenancy)
  t.after(() => tenancy.close())
  const identity = [jwt(tokens), apiKey({ keys: tenancy.apiKeys, cacheTtlMs: 0 })]
  const service = await application.start({ tenancy, identity, host: '127.0.0.1', port: 0 })
  t.after(() => service.close())
  const join = async (slug: string): Promise<WallParty> => {
    const tenant = await views.join({ slug, name: slug })
    return {
      tenant,
      token: await tokenOf(tenant),
      apiKey: (await issueApiKey(tenancy.apiKeys, { tenantId: tenant.id, name: 'test' })).text,
    }
  }
  const [bob, carol, dave] = [await join('bob'), await join('carol'), await join('dave')]
  for (const { tenant } of [bob, carol, dave]) await application.seed(tenancy, tenant)
  await views.suspend(dave.tenant)
  const { app, database: carols } = views.placeOf(carol.tenant)
  return {
    ...views,
    application,
    database,
    tenancy,
    url: service.url,
    bob,
    carol,
    dave,
    ask: (party, path, options) => ask(service.url, party, path, options),
    wall: {
      tenancy,
      url: service.url,
      database: app,
      // Who may revoke, where carol lives.
      catalog: hasOwnDatabase ? carols.urls.migrator : carols.urls.gatekeeper,
      suspension: sharesTables ? undefined : { suspend: views.suspend, resume: views.resume },
      probe: application.probe,
      places: { victim: views.placeOf(bob.tenant).app, catalog: database.urls.app, closed: [] },
      victim: bob,
      attacker: carol,
      suspended: dave,
    },
  }
}

async function tokenOf(tenant: Tenant): Promise<string> {
  return await issueToken({ ...tokens, subject: `user@${tenant.slug}`, tenants: [tenant.id], ttlSec: 600 })
}

async function ask(url: string, party: WallParty | undefined, path: string, options: Ask = {}): Promise<Answer> {
  const body = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body))
  const response = await fetch(url + path, {
    method: options.method ?? 'GET',
    headers: {
      ...(party && { authorization: `Bearer ${party.token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(body !== undefined && { body }),
  })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined }
}
