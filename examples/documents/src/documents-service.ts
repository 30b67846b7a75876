// The documents service: any Fastify application, with one plugin more.

import swagger from '@fastify/swagger'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import { type HintReader, header, type IdentityProvider, subdomain, type Tenancy } from 'partywall'
import { frameworkErrors, logSerializers, tenancyPlugin } from 'partywall/fastify'
import { auditRoutes } from './audit-routes.ts'
import { documentRoutes } from './document-routes.ts'
import { userRoutes } from './user-routes.ts'

export interface ServiceOptions {
  readonly tenancy: Tenancy
  /** Who verifies callers: tokens, API keys, or both. */
  readonly identity: IdentityProvider | readonly IdentityProvider[]
  /** `acme.<domain>` is a hint of the tenant `acme`. Default `localhost`. */
  readonly domain?: string | undefined
  /** Default `warn`. */
  readonly logLevel?: string | undefined
}

/** Everything but a socket: call `listen()`, or `inject()` in tests. */
export async function createService(options: ServiceOptions): Promise<FastifyInstance> {
  const { tenancy, identity } = options
  const hints: readonly HintReader[] = [header(), subdomain(options.domain ?? 'localhost')]
  const app = Fastify({
    logger: { level: options.logLevel ?? 'warn', serializers: logSerializers },
    frameworkErrors,
    // Nothing is made to fit: a number is not a title, and a property that nobody knows is an error.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  }).withTypeProvider<TypeBoxTypeProvider>()

  await app.register(tenancyPlugin, { tenancy, identity, hints, publicPaths: ['/health', '/ready', '/openapi.json'] })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Documents', version: '1.0.0' },
      components: {
        securitySchemes: { token: { type: 'http', scheme: 'bearer' }, key: { type: 'apiKey', in: 'header', name: 'x-api-key' } },
      },
      security: [{ token: [] }, { key: [] }],
    },
  })
  await app.register(documentRoutes, { prefix: '/api/documents', tenancy })
  await app.register(userRoutes, { prefix: '/api/users', tenancy })
  await app.register(auditRoutes, { prefix: '/api/audit', tenancy })

  app.get('/health', { schema: { hide: true } }, async () => ({ status: 'ok' }))
  // Throws what the database says; the plugin answers 503 while it cannot be reached.
  app.get('/ready', { schema: { hide: true } }, async () => ({ status: 'ready', tables: (await tenancy.protectedTables()).length }))
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  return app
}
