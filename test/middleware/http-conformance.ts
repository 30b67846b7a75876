// What every framework's adapter has to do, over real sockets. An adapter serves the routes of `TestRoutes`; the requests, and what is
// expected of them, are the same for all.

import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { Agent, request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { systemClock } from '../../src/core/clock.ts'
import { header, path, subdomain } from '../../src/core/hints.ts'
import { createTenantContext, runOutside } from '../../src/core/tenant-context.ts'
import { IdentityUnavailableError, TenantBusyError } from '../../src/errors.ts'
import { issueToken, jwt } from '../../src/identity/jwt.ts'
import { signWebhook, webhook } from '../../src/identity/webhook.ts'
import type { HttpDoorOptions } from '../../src/middleware/http.ts'
import { audience, bob, carol, dave, frank, issuer, nobodysId, secret, type WatchedDoor, watchedDoor } from '../support/door-cast.ts'

export interface HttpAdapter {
  readonly name: string
  /**
   * Serves:
   *   GET  /api/me, /t/:tenant/me    who()
   *   GET  /health, /assets/*        health()                    public
   *   POST /api/documents            echo(parsed body)           with the framework's JSON parser
   *   POST /webhooks/:tenant         echo(parsed body)
   *   GET  /api/fail/:how            throws fail(how)
   *   GET  /api/stream               chunks(), each when it is asked for
   *   GET  /api/abort                aborted(), once the client is gone
   *   GET  /api/stray                who(), behind a middleware that goes on in stray()     (not where `next` is a promise)
   */
  start(options: HttpDoorOptions, routes: TestRoutes): Promise<{ readonly port: number; close(): Promise<void> }>
  /** Its middleware is handed a callback for the rest. */
  readonly hasCallbacks?: boolean | undefined
  /** What its own HTTP parser hands on of the request's header lines: all, or one for each name. */
  readonly keepsHeaderLines: boolean
}

const slugs = ['bob', 'carol'] as const
type Slug = (typeof slugs)[number]

/** What the handlers of the adapter's application do. */
export class TestRoutes {
  readonly door: WatchedDoor
  readonly heard = new EventEmitter()

  constructor(door: WatchedDoor) {
    this.door = door
  }

  who(): { readonly tenant: string; readonly actor: unknown } {
    const { tenant, actor } = this.door.scope.current()
    return { tenant: tenant.slug, actor }
  }

  health(): { readonly tenant: string | null } {
    return { tenant: this.door.scope.tryCurrent()?.tenant.slug ?? null }
  }

  echo(body: unknown): { readonly tenant: string; readonly body: unknown } {
    return { tenant: this.door.scope.current().tenant.slug, body }
  }

  fail(how: string): Error {
    switch (how) {
      case 'busy':
        return new TenantBusyError('Tenant bob has 12 waiting.', { details: { retryAfterMs: 2_500 } })
      case 'keys':
        return new IdentityUnavailableError('The keys of https://sso.bob.example cannot be read.')
      case 'database':
        return Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (email)=(carol@example.org) already exists.' })
      case 'upstream':
        return Object.assign(new Error('the secret of an upstream'), { status: 404 })
      default:
        return new Error('postgres://gatekeeper:hunter2@db/partywall')
    }
  }

  async *chunks(): AsyncGenerator<Buffer> {
    for (let i = 0; i < 4; i++) {
      await turn()
      yield Buffer.from(`${this.door.scope.current().tenant.slug} `.padEnd(20_000, '.'))
    }
  }

  /** To be called when the framework says that the client is gone. */
  aborted(): void {
    this.heard.emit('aborted', this.door.scope.tryCurrent()?.tenant.slug)
  }

  /** Calls back in another tenant's scope, as a pooled client may. */
  stray(next: () => void): void {
    const other = this.door.scope.tryCurrent()?.tenant.slug === 'bob' ? carol : bob
    runOutside(() => this.door.scope.run(createTenantContext({ tenant: other }), () => void setImmediate(next)))
  }
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  // biome-ignore lint/suspicious/noExplicitAny: What it should be, the assertion says.
  readonly json: any
}

interface Asked {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string
  readonly agent?: Agent
}

const key = { algorithm: 'HS256', key: secret, issuer, audience } as const
const bearing = async (...tenants: string[]) => ({
  authorization: `Bearer ${await issueToken({ ...key, subject: 'alice@example.org', tenants, ttlSec: 600 })}`,
})
const json = { 'content-type': 'application/json' }

export function httpConformance(adapter: HttpAdapter): void {
  describe(`the door of ${adapter.name}`, () => {
    const bobs = "bob's webhook secret, 32 characters and more"
    const routes = new TestRoutes(watchedDoor())
    let served: Awaited<ReturnType<HttpAdapter['start']>>
    before(async () => {
      const options: HttpDoorOptions = {
        tenancy: routes.door,
        identity: [
          jwt(key),
          webhook({
            endpoint: path('/webhooks/:tenant'),
            find: (ref) => (ref.kind === 'slug' && ref.slug === 'bob' ? { tenantId: bob.id, secrets: [bobs] } : undefined),
          }),
        ],
        hints: [subdomain('app.example.com'), header(), path('/t/:tenant'), path('/webhooks/:tenant')],
        publicPaths: ['/health', '/assets/'],
        problemTypeBase: 'https://docs.example.com/errors/',
      }
      served = await adapter.start(options, routes)
    })
    after(() => served.close())

    const ask = async (target: string, { method = 'GET', headers = {}, body, agent }: Asked = {}): Promise<Answer> => {
      const outgoing = httpRequest({ host: '127.0.0.1', port: served.port, path: target, method, headers, agent })
      outgoing.end(body)
      const [response] = await once(outgoing, 'response')
      const text = await readText(response)
      const isJson = String(response.headers['content-type']).includes('json')
      return { status: response.statusCode, headers: response.headers, body: text, json: isJson ? JSON.parse(text) : undefined }
    }

    test('a member is served, and told for which tenant', async () => {
      const answer = await ask('/api/me', { headers: await bearing('bob') })
      assert.equal(answer.status, 200)
      assert.deepEqual(answer.json, { tenant: 'bob', actor: { kind: 'user', id: 'alice@example.org' } })
      assert.equal(answer.headers['x-tenant-id'], bob.id)
      assert.equal(answer.headers['cache-control'], 'private, no-store')
      assert.match(String(answer.headers['x-request-id']), /^[\w-]{8,}$/)
    })

    test('who is not let in gets problem+json with a code, and is not told for whom', async () => {
      const cases = [
        [{}, 401, 'PW_IDENTITY_REQUIRED'],
        [{ authorization: 'Bearer nonsense' }, 401, 'PW_INVALID_IDENTITY'],
        [await bearing('bob', 'carol'), 400, 'PW_TENANT_REQUIRED'],
        [await bearing(dave.id), 403, 'PW_TENANT_SUSPENDED'],
        [await bearing(frank.id), 403, 'PW_TENANT_OFFBOARDING'],
        [{ ...(await bearing('bob')), 'x-tenant-id': 'carol' }, 404, 'PW_TENANT_NOT_FOUND'],
        [{ ...(await bearing('bob')), 'x-tenant-id': 'bob', host: 'carol.app.example.com' }, 400, 'PW_HINT_MISMATCH'],
        [{ ...(await bearing('bob')), 'x-tenant-id': 'BOB' }, 400, 'PW_INVALID_HINT'],
      ] as const
      for (const [headers, status, code] of cases) {
        const answer = await ask('/api/me', { headers })
        assert.equal(answer.status, status, code)
        assert.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8')
        assert.equal(answer.headers['www-authenticate'], status === 401 ? 'Bearer' : undefined)
        assert.equal(answer.headers['x-tenant-id'], undefined)
        assert.deepEqual(Object.keys(answer.json).sort(), ['code', 'requestId', 'status', 'title', 'type'])
        assert.deepEqual([answer.json.code, answer.json.type], [code, `https://docs.example.com/errors/${code}`])
        assert.equal(answer.json.requestId, answer.headers['x-request-id'])
      }
    })

    test('unknown, not yours, and suspended but not yours are the same answer', async () => {
      const seen = new Set<string>()
      for (const ref of ['carol', 'dave', 'frank', 'unheard-of', carol.id, nobodysId]) {
        for (const [target, more] of [
          ['/api/me', { 'x-tenant-id': ref }],
          [`/t/${ref}/me`, {}],
        ] as const) {
          const { status, headers, body } = await ask(target, { headers: { ...(await bearing('bob')), ...more } })
          const { date: _, 'x-request-id': id, ...rest } = headers
          seen.add(JSON.stringify([status, rest, body.replaceAll(String(id), '<id>')]))
        }
      }
      assert.equal(seen.size, 1, [...seen].join('\n'))
    })

    test('hints select among memberships, and must agree', async () => {
      const headers = await bearing('bob', 'carol')
      assert.equal((await ask('/api/me', { headers: { ...headers, 'x-tenant-id': 'carol' } })).json.tenant, 'carol')
      assert.equal((await ask('/t/carol/me', { headers })).json.tenant, 'carol')
      assert.equal((await ask('/api/me', { headers: { ...headers, host: 'carol.app.example.com' } })).json.tenant, 'carol')
      const torn = await ask('/t/carol/me', { headers: { ...headers, host: 'bob.app.example.com' } })
      assert.equal(torn.json.code, 'PW_HINT_MISMATCH')
      const forwarded = { ...headers, host: 'bob.app.example.com', 'x-forwarded-host': 'carol.app.example.com' }
      assert.equal((await ask('/api/me', { headers: forwarded })).json.tenant, 'bob')
    })

    test('a tenant that is named twice, and two hosts, are refused', async () => {
      const { authorization } = await bearing('bob', 'carol')
      const doubled = await raw(served.port, [
        'GET /api/me HTTP/1.1',
        'Host: x',
        `Authorization: ${authorization}`,
        'X-Tenant-Id: bob',
        'X-Tenant-Id: carol',
      ])
      assert.match(doubled, /^HTTP\/1.1 400 /)
      const absolute = await raw(served.port, [
        'GET http://carol.app.example.com/api/me HTTP/1.1',
        'Host: bob.app.example.com',
        `Authorization: ${authorization}`,
      ])
      // Where only the web's request is left, the target's host is the only one there is, or none was compared.
      assert.match(
        absolute,
        adapter.keepsHeaderLines ? /^HTTP\/1.1 400 / : /^HTTP\/1.1 (400 |200 [\s\S]*"tenant":"carol"|200 [\s\S]*"tenant":"bob")/,
      )
    })

    test('public paths need nobody; whatever else could be read as one is not public', async () => {
      assert.deepEqual((await ask('/health?probe=1', { headers: { authorization: 'Bearer nonsense' } })).json, { tenant: null })
      assert.equal((await ask('/assets/app.js')).status, 200)
      const tricks = [
        '/health/',
        '/Health',
        '/%68ealth',
        '/health;x',
        '/assets/../api/me',
        '/assets/%2e%2e/api/me',
        '/assets/%2fapi',
        '/api/me?/health',
      ]
      for (const target of tricks) assert.equal((await ask(target)).status, 401, target)
    })

    test('unknown routes say nothing to strangers', async () => {
      assert.equal((await ask('/nowhere', { method: 'DELETE' })).status, 401)
      const unknown = await ask('/nowhere?token=s3cret', { method: 'DELETE', headers: await bearing('bob') })
      assert.deepEqual([unknown.status, unknown.json?.code], [404, 'PW_ROUTE_NOT_FOUND'])
      assert.ok(!/nowhere|s3cret/.test(unknown.body), unknown.body)
    })

    test('errors tell a code and no more; what nobody knows is a 500 without text', async () => {
      const cases = [
        ['busy', 429, 'PW_TENANT_BUSY', '3'],
        ['keys', 503, 'PW_IDENTITY_UNAVAILABLE', '1'],
        ['database', 500, 'PW_INTERNAL', undefined],
        ['upstream', 500, 'PW_INTERNAL', undefined],
        ['unknown', 500, 'PW_INTERNAL', undefined],
      ] as const
      for (const [how, status, code, retryAfter] of cases) {
        const answer = await ask(`/api/fail/${how}`, { headers: await bearing('bob') })
        assert.deepEqual([answer.status, answer.json?.code, answer.headers['retry-after']], [status, code, retryAfter], how)
        assert.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8')
        assert.equal(answer.json.requestId, answer.headers['x-request-id'])
        assert.ok(!/secret|hunter2|waiting|carol|sso|duplicate|at .*\.ts/.test(answer.body), answer.body)
      }
    })

    test('a body chooses no tenant, and a broken one is no 500', async () => {
      const headers = { ...(await bearing('bob')), ...json }
      const doubled = await ask('/api/documents', { method: 'POST', headers, body: '{"title":"a","tenant_id":"bob","tenant_id":"carol"}' })
      assert.deepEqual(doubled.json, { tenant: 'bob', body: { title: 'a', tenant_id: 'carol' } })
      const broken = await ask('/api/documents', { method: 'POST', headers, body: '{"title":' })
      assert.deepEqual([broken.status, broken.headers['content-type']], [400, 'application/problem+json; charset=utf-8'])
    })

    test('a webhook is verified against its raw body, and its handler has it still', async () => {
      const post = (target: string, body: string, sent = body) => {
        const signature = signWebhook({ secret: bobs, body, timestampSec: Math.floor(systemClock.now() / 1000) })
        return ask(target, { method: 'POST', headers: { ...json, 'webhook-signature': signature }, body: sent })
      }
      const body = '{ "event": 1,  "spaced":true }'
      const good = await post('/webhooks/bob', body)
      assert.deepEqual(good.json, { tenant: 'bob', body: { event: 1, spaced: true } })
      assert.equal(good.headers['x-tenant-id'], bob.id)
      assert.equal((await post('/webhooks/bob', body)).status, 401, 'received before')
      assert.equal((await post('/webhooks/bob', '{"event":2}', '{"event":3}')).status, 401)
      assert.equal((await post('/webhooks/carol', '{"event":4}')).status, 401)
      assert.equal((await post('/webhooks/bob', JSON.stringify('x'.repeat(200_000)))).status, 413)
      assert.equal((await ask('/health')).status, 200, 'on the connection of the one that was too long')
    })

    test('requests of two tenants on the same connections never leave their scope', async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 4 })
      const members = { bob: await bearing('bob'), carol: await bearing('carol') }
      const one = async (i: number): Promise<void> => {
        const slug: Slug = slugs[i % 2]!
        // Some large enough to come in many pieces.
        const body = JSON.stringify({ i, filler: 'x'.repeat(i % 5 === 0 ? 60_000 : 10) })
        const answer = await ask('/api/documents', { method: 'POST', headers: { ...members[slug], ...json }, body, agent })
        assert.deepEqual(
          [answer.json?.tenant, answer.json?.body?.i, answer.headers['x-tenant-id']],
          [slug, i, slug === 'bob' ? bob.id : carol.id],
        )
      }
      await Promise.all(Array.from({ length: 120 }, (_, i) => one(i)))
      agent.destroy()
    })

    test('a streamed answer is made in its scope', async () => {
      const members = { bob: await bearing('bob'), carol: await bearing('carol') }
      const all = Array.from({ length: 12 }, async (_, i) => {
        const slug: Slug = slugs[i % 2]!
        const answer = await ask('/api/stream', { headers: members[slug] })
        assert.equal(answer.body, `${slug} `.padEnd(20_000, '.').repeat(4))
      })
      await Promise.all(all)
    })

    test('a client that goes away is heard of in its scope', async () => {
      const heard = once(routes.heard, 'aborted')
      const outgoing = httpRequest({ host: '127.0.0.1', port: served.port, path: '/api/abort', headers: await bearing('carol') })
      outgoing.on('error', () => {})
      outgoing.end()
      const began = routes.door.lookups.length
      while (routes.door.lookups.length === began) await turn()
      for (let i = 0; i < 50; i++) await turn()
      outgoing.destroy()
      assert.deepEqual(await heard, ['carol'])
    })

    test('a hostile request id goes no further', async () => {
      const answer = await ask('/api/me', { headers: { ...(await bearing('bob')), 'x-request-id': 'a b"<script>' } })
      assert.match(String(answer.headers['x-request-id']), /^[\w-]{8,}$/)
      const kept = await ask('/api/me', { headers: { ...(await bearing('bob')), 'x-request-id': 'my-request-0001' } })
      assert.equal(kept.headers['x-request-id'], 'my-request-0001')
    })

    if (adapter.hasCallbacks === true)
      test('a middleware that goes on in another tenant’s scope does not hand the handler to that tenant', async () => {
        for (const slug of slugs) assert.equal((await ask('/api/stray', { headers: await bearing(slug) })).json.tenant, slug)
      })
  })
}

async function raw(port: number, lines: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`)
  return await readText(socket)
}
