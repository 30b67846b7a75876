// The door as clients meet it. Bodies and headers are compared whole: what differs, tells.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import Fastify, { type FastifyInstance, type InjectOptions, type LightMyRequestResponse } from 'fastify'
import { systemClock } from '../../src/core/clock.ts'
import { header, path, subdomain } from '../../src/core/hints.ts'
import { MemoryApiKeys } from '../../src/core/memory-api-keys.ts'
import { IdentityUnavailableError, TenantBusyError } from '../../src/errors.ts'
import { apiKey, issueApiKey } from '../../src/identity/api-key.ts'
import { issueToken, jwt } from '../../src/identity/jwt.ts'
import { signWebhook, webhook } from '../../src/identity/webhook.ts'
import { frameworkErrors, logSerializers, type TenancyPluginOptions, tenancyPlugin } from '../../src/middleware/fastify.ts'
import { audience, bob, carol, dave, frank, issuer, nobodysId, secret, type WatchedDoor, watchedDoor } from '../support/door-cast.ts'

const key = { algorithm: 'HS256', key: secret, issuer, audience } as const
const tokenFor = (...tenants: string[]) => issueToken({ ...key, subject: 'alice@example.org', tenants, ttlSec: 60 })
const bearing = async (...tenants: string[]) => ({ authorization: `Bearer ${await tokenFor(...tenants)}` })

interface House {
  readonly app: FastifyInstance
  readonly door: WatchedDoor
  readonly lines: Record<string, unknown>[]
  get(options: InjectOptions): Promise<LightMyRequestResponse>
}

async function house(t: TestContext, more: Partial<TenancyPluginOptions> = {}): Promise<House> {
  const door = watchedDoor()
  const lines: Record<string, unknown>[] = []
  const stream = { write: (line: string) => lines.push(JSON.parse(line)) }
  const app: FastifyInstance = Fastify({
    logger: { level: 'info', stream, serializers: logSerializers },
    bodyLimit: 10_000,
    frameworkErrors,
  })
  t.after(() => app.close())
  await app.register(tenancyPlugin, {
    tenancy: door,
    identity: jwt(key),
    hints: [subdomain('app.example.com'), header(), path('/t/:tenant')],
    publicPaths: ['/health', '/assets/'],
    problemTypeBase: 'https://docs.example.com/errors/',
    ...more,
  })
  const who = async () => ({ tenant: door.scope.current().tenant.slug, actor: door.scope.current().actor })
  app.get('/api/me', who)
  app.get('/t/:tenant/me', who)
  app.get('/health', async () => ({ tenant: door.scope.tryCurrent()?.tenant.slug ?? null }))
  app.get('/assets/*', async () => 'an asset')
  app.get('/*', who)
  app.delete('/api/things/:id', who)
  app.post('/webhooks/:tenant', async (request) => ({ tenant: door.scope.current().tenant.slug, body: request.body }))
  app.post(
    '/api/documents',
    { schema: { body: { type: 'object', required: ['title'], properties: { title: { type: 'string' } } } } },
    async (request, reply) => {
      reply.code(201)
      return { tenant: door.scope.current().tenant.slug, body: request.body }
    },
  )
  app.get('/api/fail/:how', async (request) => {
    switch ((request.params as { how: string }).how) {
      case 'busy':
        throw new TenantBusyError('Tenant bob has 12 waiting.', { details: { retryAfterMs: 2_500 } })
      case 'keys':
        throw new IdentityUnavailableError('The keys of https://sso.bob.example cannot be read.')
      case 'teapot':
        throw Object.assign(new Error('the secret of the teapot'), { statusCode: 418 })
      case 'database':
        throw Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (email)=(carol@example.org) already exists.' })
      default:
        throw new Error('postgres://gatekeeper:hunter2@db/partywall')
    }
  })
  return { app, door, lines, get: (options) => app.inject(options) }
}

/** All that a client can see, without what differs between any two requests. */
function visible(response: { statusCode: number; headers: Record<string, unknown>; body: string }): string {
  const { date: _, 'x-request-id': id, ...headers } = response.headers
  return JSON.stringify([response.statusCode, headers, response.body.replaceAll(String(id), '<id>')])
}

test('a member is served, and told for which tenant', async (t) => {
  const { get } = await house(t)
  const response = await get({ url: '/api/me', headers: await bearing('bob') })
  assert.equal(response.statusCode, 200)
  assert.deepEqual(response.json(), { tenant: 'bob', actor: { kind: 'user', id: 'alice@example.org' } })
  assert.equal(response.headers['x-tenant-id'], bob.id)
  assert.equal(response.headers['cache-control'], 'private, no-store')
})

test('no identity is 401, no tenant 400, suspended and closing 403: problem+json with a code', async (t) => {
  const { get } = await house(t)
  const cases = [
    [{}, 401, 'PW_IDENTITY_REQUIRED'],
    [{ authorization: 'Bearer nonsense' }, 401, 'PW_INVALID_IDENTITY'],
    [await bearing('bob', 'carol'), 400, 'PW_TENANT_REQUIRED'],
    [await bearing(), 400, 'PW_TENANT_REQUIRED'],
    [await bearing(dave.id), 403, 'PW_TENANT_SUSPENDED'],
    [await bearing(frank.id), 403, 'PW_TENANT_OFFBOARDING'],
    [{ ...(await bearing('bob')), 'x-tenant-id': 'carol' }, 404, 'PW_TENANT_NOT_FOUND'],
    [{ ...(await bearing('bob')), 'x-tenant-id': 'bob', host: 'carol.app.example.com' }, 400, 'PW_HINT_MISMATCH'],
    [{ ...(await bearing('bob')), 'x-tenant-id': 'BOB' }, 400, 'PW_INVALID_HINT'],
  ] as const
  for (const [headers, status, code] of cases) {
    const response = await get({ url: '/api/me', headers })
    assert.equal(response.statusCode, status, code)
    assert.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8')
    assert.equal(response.headers['www-authenticate'], status === 401 ? 'Bearer' : undefined)
    assert.equal(response.headers['x-tenant-id'], undefined)
    const body = response.json()
    assert.deepEqual(Object.keys(body).sort(), ['code', 'requestId', 'status', 'title', 'type'])
    assert.deepEqual([body.code, body.status, body.type], [code, status, `https://docs.example.com/errors/${code}`])
    assert.equal(body.requestId, response.headers['x-request-id'])
  }
})

test('unknown, not yours, and suspended but not yours are the same answer for the same lookups', async (t) => {
  const { get, door } = await house(t)
  const seen = new Set<string>()
  for (const ref of ['carol', 'dave', 'frank', 'unheard-of', carol.id, nobodysId]) {
    for (const how of [
      { headers: { 'x-tenant-id': ref } },
      { url: `/t/${ref}/me` },
      ...(ref.length < 20 ? [{ headers: { host: `${ref}.app.example.com` } }] : []),
    ]) {
      door.lookups.length = 0
      door.audited.length = 0
      const response = await get({ url: '/api/me', ...how, headers: { ...how.headers, ...(await bearing('bob')) } })
      assert.equal(response.statusCode, 404)
      seen.add(`${visible(response)} ${door.lookups.length} ${door.audited.length}`)
    }
  }
  assert.equal(seen.size, 1, [...seen].join('\n'))
})

test('hints select among memberships, wherever they are given, and must agree', async (t) => {
  const { get } = await house(t)
  const headers = await bearing('bob', 'carol')
  for (const how of [
    { headers: { 'x-tenant-id': 'carol' } },
    { headers: { host: 'carol.app.example.com:8080' } },
    { url: '/t/carol/me' },
  ]) {
    const response = await get({ url: '/api/me', ...how, headers: { ...headers, ...how.headers } })
    assert.equal(response.json().tenant, 'carol')
  }
  const torn = await get({ url: '/t/carol/me', headers: { ...headers, host: 'bob.app.example.com' } })
  assert.equal(torn.json().code, 'PW_HINT_MISMATCH')
})

test('X-Forwarded-Host means nothing from a stranger, and selects from a proxy of ours', async (t) => {
  const headers = { ...(await bearing('bob', 'carol')), host: 'bob.app.example.com', 'x-forwarded-host': 'carol.app.example.com' }
  const stranger = await house(t, { trustedProxies: ['10.0.0.0/8'] })
  assert.equal((await stranger.get({ url: '/api/me', headers })).json().tenant, 'bob')
  for (const remoteAddress of ['10.1.2.3', '::ffff:10.1.2.3']) {
    assert.equal((await stranger.get({ url: '/api/me', headers, remoteAddress })).json().tenant, 'carol')
  }
})

test('public paths need nobody; whatever else could be read as one is not public', async (t) => {
  const { get, door } = await house(t)
  assert.deepEqual((await get({ url: '/health?probe=1', headers: { authorization: 'Bearer nonsense' } })).json(), { tenant: null })
  assert.equal((await get({ url: '/assets/app.js' })).statusCode, 200)
  const tricks = [
    '/health/',
    '/Health',
    '//health',
    '/%68ealth',
    '/health;x',
    '/assets',
    '/assets/../api/me',
    '/assets/%2e%2e/api/me',
    '/assets//x',
    '/assets/%2fapi',
    '/assets/a%62',
    '/api/me?/health',
  ]
  for (const url of tricks) assert.equal((await get({ url })).statusCode, 401, url)
  assert.deepEqual(door.lookups, [])
})

test('routes of other plugins are behind the door too, and unknown routes say nothing to strangers', async (t) => {
  const { app, get, door } = await house(t)
  app.register(async (child) => {
    child.get('/child', async () => door.scope.current().tenant.slug)
  })
  assert.equal((await get({ url: '/child' })).statusCode, 401)
  assert.equal((await get({ url: '/child', headers: await bearing('bob') })).body, 'bob')
  assert.equal((await get({ method: 'DELETE', url: '/nowhere' })).statusCode, 401)
  const unknown = await get({ method: 'DELETE', url: '/nowhere?token=s3cret', headers: await bearing('bob') })
  assert.equal(unknown.statusCode, 404)
  assert.equal(unknown.json().code, 'PW_ROUTE_NOT_FOUND')
  assert.ok(!unknown.body.includes('nowhere'))
})

test('errors tell a code and no more; what nobody knows is a 500 without text', async (t) => {
  const { get } = await house(t)
  const cases = [
    ['busy', 429, 'PW_TENANT_BUSY', '3'],
    ['keys', 503, 'PW_IDENTITY_UNAVAILABLE', '1'],
    ['teapot', 418, undefined, undefined],
    ['database', 500, 'PW_INTERNAL', undefined],
    ['unknown', 500, 'PW_INTERNAL', undefined],
  ] as const
  for (const [how, status, code, retryAfter] of cases) {
    const response = await get({ url: `/api/fail/${how}`, headers: await bearing('bob') })
    assert.equal(response.statusCode, status)
    assert.equal(response.json().code, code)
    assert.equal(response.headers['retry-after'], retryAfter)
    assert.ok(!/secret|hunter2|waiting|carol|sso|duplicate|at .*\.ts/.test(response.body), response.body)
  }
})

test('hostile bodies are refused with a code, and cannot choose a tenant', async (t) => {
  const { get } = await house(t)
  const headers = { ...(await bearing('bob')), 'content-type': 'application/json' }
  const post = (payload: string, more: Record<string, string> = {}) =>
    get({ method: 'POST', url: '/api/documents', headers: { ...headers, ...more }, payload })
  const cases = [
    ['{"title":', {}, 400, 'PW_INVALID_INPUT'],
    ['', {}, 400, 'PW_INVALID_INPUT'],
    ['{"title":"a","__proto__":{"admin":true}}', {}, 400, 'PW_INVALID_INPUT'],
    ['{"title":"a","constructor":{"prototype":{"admin":true}}}', {}, 400, 'PW_INVALID_INPUT'],
    ['{"text":"no title"}', {}, 400, 'PW_INVALID_INPUT'],
    [JSON.stringify({ title: 'x'.repeat(20_000) }), {}, 413, 'PW_BODY_TOO_LARGE'],
    ['title=a', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'PW_MEDIA_TYPE'],
    ['{}', { 'content-type': '/;;' }, 415, 'PW_MEDIA_TYPE'],
    ['{}', { 'content-type': 'application/jsonx' }, 415, 'PW_MEDIA_TYPE'],
  ] as const
  for (const [payload, more, status, code] of cases) {
    const response = await post(payload, more)
    assert.deepEqual([response.statusCode, response.json().code], [status, code], payload.slice(0, 60))
    assert.equal(response.headers['content-type'], 'application/problem+json; charset=utf-8')
  }
  assert.deepEqual((await post('{"text":"no title"}')).json().errors, [{ at: 'body', problem: "must have required property 'title'" }])
  const doubled = await post('{"title":"a","tenant_id":"bob","tenant_id":"carol","title":"b"}', { 'x-tenant-id': 'bob' })
  assert.equal(doubled.statusCode, 201)
  assert.equal(doubled.json().tenant, 'bob')
})

test('what the router itself refuses is a problem without the path in it', async (t) => {
  const { get } = await house(t)
  for (const [url, status] of [
    ['/api/things/%zz', 400],
    [`/api/things/${'x'.repeat(5_000)}`, 414],
  ] as const) {
    const response = await get({ method: 'DELETE', url, headers: await bearing('bob') })
    assert.deepEqual([response.statusCode, response.headers['content-type']], [status, 'application/problem+json; charset=utf-8'])
    assert.ok(!/zz|xxx|stack/.test(response.body), response.body)
  }
})

test('a stranger is turned away before his body is read', async (t) => {
  const { get } = await house(t)
  const response = await get({
    method: 'POST',
    url: '/api/documents',
    headers: { 'content-type': 'application/json' },
    payload: '{"broken',
  })
  assert.equal(response.statusCode, 401)
})

test('request and tenant ids are on every line of the request; tokens, queries and people are on none', async (t) => {
  const { app, get, lines, door } = await house(t)
  app.get('/api/chatty', async (request) => {
    request.log.info('a line of the application')
    return door.scope.current().requestId
  })
  const headers = { ...(await bearing('bob')), 'x-request-id': 'my-request.1' }
  const response = await get({ url: '/api/chatty?token=s3cret', headers })
  assert.equal(response.body, 'my-request.1')
  assert.equal(response.headers['x-request-id'], 'my-request.1')
  await get({ url: '/api/fail/database?token=s3cret', headers })
  await get({ url: '/t/BOB/x?token=s3cret', headers })
  assert.ok(lines.length >= 8)
  for (const line of lines) {
    assert.equal(line['reqId'], 'my-request.1')
    if (!['incoming request', 'request refused'].includes(String(line['msg'])) && line['res'] === undefined)
      assert.equal(line['tenantId'], bob.id, JSON.stringify(line))
  }
  assert.deepEqual(
    lines.filter((line) => line['tenantId'] === bob.id).map((line) => line['msg']),
    ['a line of the application', 'request completed', 'request failed', 'request completed'],
  )
  const text = JSON.stringify(lines)
  for (const private_ of ['s3cret', 'alice', 'carol@', 'house of', headers.authorization.slice(10, 40)])
    assert.ok(!text.includes(private_), private_)
})

test('a hostile request id or trace goes no further', async (t) => {
  const { app, get, door } = await house(t)
  app.get('/api/trace', async () => door.scope.current().trace ?? null)
  const headers = await bearing('bob')
  const response = await get({ url: '/api/trace', headers: { ...headers, 'x-request-id': 'a b"', traceparent: '00-zz' } })
  assert.match(String(response.headers['x-request-id']), /^[0-9a-f-]{36}$/)
  assert.equal(response.json(), null)
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  assert.equal((await get({ url: '/api/trace', headers: { ...headers, traceparent } })).json().traceparent, traceparent)
})

test('API keys and tokens are served side by side, but not together', async (t) => {
  const keys = new MemoryApiKeys()
  const { text } = await issueApiKey(keys, { tenantId: carol.id, name: 'ci' })
  const { get } = await house(t, { identity: [jwt(key), apiKey({ keys })] })
  assert.equal((await get({ url: '/api/me', headers: { 'x-api-key': text } })).json().tenant, 'carol')
  assert.equal((await get({ url: '/api/me', headers: { authorization: `Bearer ${text}` } })).json().tenant, 'carol')
  assert.equal((await get({ url: '/api/me', headers: await bearing('bob') })).json().tenant, 'bob')
  assert.equal((await get({ url: '/api/me', headers: { ...(await bearing('carol')), 'x-api-key': text } })).statusCode, 401)
  assert.equal((await get({ url: '/api/me', headers: { 'x-api-key': text, 'x-tenant-id': 'bob' } })).statusCode, 404)
})

test('a webhook is verified against its raw body, before anything parses it', async (t) => {
  const bobs = "bob's webhook secret, 32 characters and more"
  const identity = webhook({
    endpoint: path('/webhooks/:tenant'),
    find: (ref) => (ref.kind === 'slug' && ref.slug === 'bob' ? { tenantId: bob.id, secrets: [bobs] } : undefined),
  })
  const { get } = await house(t, { identity: [jwt(key), identity], hints: [path('/webhooks/:tenant')] })
  const post = (url: string, body: string, sent = body) =>
    get({
      method: 'POST',
      url,
      headers: {
        'content-type': 'application/json',
        'webhook-signature': signWebhook({ secret: bobs, body, timestampSec: Math.floor(systemClock.now() / 1000) }),
      },
      payload: sent,
    })
  const body = '{ "event": 1,  "spaced":true }'
  const good = await post('/webhooks/bob', body)
  assert.deepEqual(good.json(), { tenant: 'bob', body: { event: 1, spaced: true } })
  assert.equal(good.headers['x-tenant-id'], bob.id)
  assert.equal((await post('/webhooks/bob', body)).statusCode, 401, 'received before')
  assert.equal((await post('/webhooks/bob', '{"event":2}', '{"event":3}')).statusCode, 401)
  assert.equal((await post('/webhooks/carol', '{"event":4}')).statusCode, 401)
  assert.equal((await post('/api/documents', '{"title":"5"}')).statusCode, 401)
  assert.equal((await post('/webhooks/bob', JSON.stringify('x'.repeat(20_000)))).statusCode, 413)
  assert.equal((await get({ method: 'POST', url: '/webhooks/bob', payload: {} })).statusCode, 401)
})

test('the application may answer errors itself', async (t) => {
  const { app } = await house(t, { handleErrors: false })
  app.setErrorHandler((_error, _request, reply) => reply.code(599).send('mine'))
  assert.equal((await app.inject({ url: '/api/me' })).body, 'mine')
})

test('the context tells the route and the client for the audit log: as the socket and our own proxies say', async (t) => {
  const { get, door, app } = await house(t, { trustedProxies: ['10.0.0.0/8'] })
  app.get('/api/origin/:id', async () => ({ route: door.scope.current().route, from: door.scope.current().from }))
  const headers = { ...(await bearing('bob')), 'x-forwarded-for': '203.0.113.9, 192.0.2.7, 10.0.0.2' }
  const asked = async (remoteAddress: string, more: Readonly<Record<string, string>> = {}) =>
    (await get({ url: '/api/origin/7?secret=1', headers: { ...headers, ...more }, remoteAddress })).json()
  const route = 'GET /api/origin/:id'
  assert.deepEqual(await asked('198.51.100.4'), { route, from: '198.51.100.4' }, 'a stranger is who the socket says')
  assert.deepEqual(await asked('10.0.0.1'), { route, from: '192.0.2.7' }, 'the last one whom no proxy of ours is')
  assert.deepEqual(await asked('::ffff:10.0.0.1', { 'x-forwarded-for': 'nonsense' }), { route, from: '10.0.0.1' })
  assert.deepEqual(await asked('10.0.0.1', { 'x-forwarded-for': '10.0.0.3' }), { route, from: '10.0.0.3' })
})
