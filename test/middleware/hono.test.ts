// Hono through the suite of all frameworks.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { honoTenancy, type TenancyEnv } from '../../src/middleware/hono.ts'
import { httpConformance, type TestRoutes } from './http-conformance.ts'

function application(routes: TestRoutes): Hono<TenancyEnv> {
  const app = new Hono<TenancyEnv>()
  for (const path of ['/api/me', '/t/:tenant/me']) app.get(path, (context) => context.json(routes.who()))
  for (const path of ['/health', '/assets/*']) app.get(path, (context) => context.json(routes.health()))
  for (const path of ['/api/documents', '/webhooks/:tenant']) {
    app.post(path, async (context) => {
      const body = await context.req.json().catch((cause) => {
        throw new HTTPException(400, { cause })
      })
      return context.json(routes.echo(body))
    })
  }
  app.get('/api/fail/:how', (context) => {
    throw routes.fail(context.req.param('how'))
  })
  app.get('/api/stream', () => new Response(ReadableStream.from(routes.chunks()) as ReadableStream<Uint8Array>))
  app.get('/api/abort', async (context) => {
    await new Promise((resolve) => context.req.raw.signal.addEventListener('abort', resolve))
    routes.aborted()
    return context.body(null)
  })
  return app
}

httpConformance({
  name: 'Hono',
  keepsHeaderLines: true,
  start: async (options, routes) => {
    const { admit, onError, notFound } = honoTenancy(options)
    const app = new Hono<TenancyEnv>().onError(onError).notFound(notFound)
    app.use(admit)
    app.route('/', application(routes))
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
    if (!server.listening) await once(server, 'listening')
    return { port: (server.address() as AddressInfo).port, close: async () => void server.close() }
  },
})
