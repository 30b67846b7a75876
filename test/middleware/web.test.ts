// The web's Request and Response through the suite of all frameworks, as Next.js' route handlers have them; and server actions.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { getRequestListener } from '@hono/node-server'
import { header } from '../../src/core/hints.ts'
import { InvalidInputError, RouteNotFoundError, TenantNotFoundError } from '../../src/errors.ts'
import { issueToken, jwt } from '../../src/identity/jwt.ts'
import { webTenancy } from '../../src/middleware/web.ts'
import { audience, issuer, secret, watchedDoor } from '../support/door-cast.ts'
import { httpConformance, type TestRoutes } from './http-conformance.ts'

async function serve(request: Request, routes: TestRoutes): Promise<Response> {
  const { pathname } = new URL(request.url)
  if (pathname === '/api/me' || pathname.startsWith('/t/')) return Response.json(routes.who())
  if (pathname === '/health' || pathname.startsWith('/assets/')) return Response.json(routes.health())
  if (pathname === '/api/documents' || pathname.startsWith('/webhooks/')) {
    const body = await request.json().catch((cause) => {
      throw new InvalidInputError('The body cannot be parsed.', { cause })
    })
    return Response.json(routes.echo(body))
  }
  if (pathname.startsWith('/api/fail/')) throw routes.fail(pathname.slice('/api/fail/'.length))
  if (pathname === '/api/stream') return new Response(ReadableStream.from(routes.chunks()) as ReadableStream<Uint8Array>)
  if (pathname === '/api/abort') {
    await new Promise((resolve) => request.signal.addEventListener('abort', resolve))
    routes.aborted()
    return new Response(null)
  }
  throw new RouteNotFoundError('No route has this method and path.')
}

httpConformance({
  name: 'Request and Response',
  keepsHeaderLines: false,
  start: async (options, routes) => {
    const { handler } = webTenancy(options)
    const handle = handler((request) => serve(request, routes))
    const server = createServer(getRequestListener((request) => handle(request)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const close = async () => {
      server.closeAllConnections()
      server.close()
    }
    return { port: (server.address() as AddressInfo).port, close }
  },
})

const key = { algorithm: 'HS256', key: secret, issuer, audience } as const

test('a server action runs for whoever sent its headers', async () => {
  const door = watchedDoor()
  const { run } = webTenancy({ tenancy: door, identity: jwt(key), hints: [header()] })
  const authorization = `Bearer ${await issueToken({ ...key, subject: 'alice', tenants: ['bob'], ttlSec: 60 })}`
  const who = async () => door.scope.current().tenant.slug
  assert.equal(await run(new Headers({ authorization }), who), 'bob')
  await assert.rejects(run(new Headers({ authorization, 'x-tenant-id': 'carol' }), who), TenantNotFoundError)
  assert.equal(door.scope.tryCurrent(), undefined)
})

test('a handler has the rest of its arguments, and what it set of its own answer', async () => {
  const door = watchedDoor()
  const { handler, admissionOf } = webTenancy({ tenancy: door, identity: jwt(key) })
  const authorization = `Bearer ${await issueToken({ ...key, subject: 'alice', tenants: ['bob'], ttlSec: 60 })}`
  const GET = handler(async (request, { params }: { readonly params: Promise<{ readonly id: string }> }) => {
    const headers = new Headers({ 'cache-control': 'private, max-age=60' })
    headers.append('set-cookie', 'a=1')
    headers.append('set-cookie', 'b=2')
    return Response.json({ id: (await params).id, tenant: admissionOf(request)?.tenant.slug }, { status: 201, headers })
  })
  const request = new Request('http://x/documents/7', { headers: { authorization } })
  const answer = await GET(request, { params: Promise.resolve({ id: '7' }) })
  assert.deepEqual([answer.status, await answer.json()], [201, { id: '7', tenant: 'bob' }])
  assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2'])
  assert.equal(answer.headers.get('cache-control'), 'private, max-age=60')
  const elsewhere = await handler(() => Response.redirect('http://x/login'))(new Request('http://x/', { headers: { authorization } }))
  assert.deepEqual([elsewhere.status, elsewhere.headers.get('location')], [302, 'http://x/login'])
})

test('what frameworks throw to be answered is theirs: an answer, and a redirect of Next.js', async () => {
  const { handler } = webTenancy({ tenancy: watchedDoor(), identity: jwt(key), publicPaths: ['/open'] })
  const request = new Request('http://localhost/open')
  const thrown = await handler(() => {
    throw new Response('elsewhere', { status: 303, headers: { location: '/login' } })
  })(request)
  assert.deepEqual([thrown.status, thrown.headers.get('location')], [303, '/login'])
  const redirect = Object.assign(new TypeError('NEXT_REDIRECT'), { digest: 'NEXT_REDIRECT;replace;/login;307;' })
  const redirecting = handler(() => {
    throw redirect
  })
  await assert.rejects(redirecting(request), (error) => error === redirect)
  const broken = await handler(() => {
    throw Object.assign(new TypeError('secret'), { digest: '1234' })
  })(request)
  assert.deepEqual([broken.status, (await broken.text()).includes('secret')], [500, false])
})
