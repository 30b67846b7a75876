// Fastify through the suite of all frameworks.

import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import Fastify from 'fastify'
import { frameworkErrors, tenancyPlugin } from '../../src/middleware/fastify.ts'
import { httpConformance } from './http-conformance.ts'

httpConformance({
  name: 'Fastify',
  hasCallbacks: true,
  keepsHeaderLines: true,
  start: async (options, routes) => {
    const app = Fastify({ frameworkErrors, bodyLimit: 100_000, forceCloseConnections: true })
    await app.register(tenancyPlugin, options)
    for (const url of ['/api/me', '/t/:tenant/me']) app.get(url, async () => routes.who())
    for (const url of ['/health', '/assets/*']) app.get(url, async () => routes.health())
    for (const url of ['/api/documents', '/webhooks/:tenant']) app.post(url, async ({ body }) => routes.echo(body))
    app.get<{ Params: { how: string } }>('/api/fail/:how', async ({ params }) => {
      throw routes.fail(params.how)
    })
    app.get('/api/stream', (_request, reply) => reply.send(Readable.from(routes.chunks())))
    app.get('/api/abort', (_request, reply) => void reply.raw.on('close', () => routes.aborted()))
    app.get('/api/stray', { preHandler: (_request, _reply, done) => routes.stray(done) }, async () => routes.who())
    await app.listen({ port: 0, host: '127.0.0.1' })
    return { port: (app.server.address() as AddressInfo).port, close: () => app.close() }
  },
})
