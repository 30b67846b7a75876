// The context over real sockets. A body streams in, and an answer goes out, in the socket's own asynchronous context; a
// connection is kept for the next request, which is another tenant's. Whatever runs for a request must be in its scope.

import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { text as readText } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { header, subdomain } from '../../src/core/hints.ts'
import { createTenantContext } from '../../src/core/tenant-context.ts'
import { issueToken, jwt } from '../../src/identity/jwt.ts'
import { tenancyPlugin } from '../../src/middleware/fastify.ts'
import { audience, bob, carol, issuer, secret, type WatchedDoor, watchedDoor } from '../support/door-cast.ts'

const key = { algorithm: 'HS256', key: secret, issuer, audience } as const
const tokens = {
  bob: await issueToken({ ...key, subject: 'alice', tenants: [bob.id], ttlSec: 600 }),
  carol: await issueToken({ ...key, subject: 'alice', tenants: [carol.id], ttlSec: 600 }),
} as const
type Slug = keyof typeof tokens

interface House {
  readonly app: FastifyInstance
  readonly door: WatchedDoor
  readonly port: number
  /** `hook tenant`, for every hook of every request, by request id. */
  readonly seen: Map<string, string[]>
}

const bodyLimit = 8_000_000

async function house(t: TestContext, addRoutes: (app: FastifyInstance, door: WatchedDoor) => void): Promise<House> {
  const door = watchedDoor()
  const app = Fastify({ bodyLimit })
  const seen = new Map<string, string[]>()
  const note = (hook: string, request: FastifyRequest) => {
    const list = seen.get(request.id) ?? []
    seen.set(request.id, list)
    list.push(`${hook} ${door.scope.tryCurrent()?.tenant.slug}`)
  }
  await app.register(tenancyPlugin, { tenancy: door, identity: jwt(key), hints: [header(), subdomain('app.example.com')] })
  app.addHook('onRequest', async (request) => note('onRequest', request))
  app.addHook('preValidation', async (request) => note('preValidation', request))
  app.addHook('preHandler', async (request) => note('preHandler', request))
  app.addHook('preSerialization', async (request) => note('preSerialization', request))
  app.addHook('onSend', async (request) => note('onSend', request))
  app.addHook('onError', async (request) => note('onError', request))
  app.addHook('onResponse', async (request) => note('onResponse', request))
  addRoutes(app, door)
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.after(() => app.close())
  return { app, door, seen, port: (app.server.address() as AddressInfo).port }
}

async function send(port: number, agent: Agent, slug: Slug, id: string, path: string, body?: Buffer) {
  const outgoing = httpRequest({
    agent,
    port,
    host: '127.0.0.1',
    path,
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${tokens[slug]}`,
      'x-request-id': id,
      'x-tenant-id': slug,
      ...(body && { 'content-type': 'application/json' }),
    },
  })
  // In pieces, so that the server reads the body over many turns of its loop.
  for (let at = 0; body !== undefined && at < body.length; at += 65_536) {
    outgoing.write(body.subarray(at, at + 65_536))
    await turn()
  }
  outgoing.end()
  const [response] = await once(outgoing, 'response')
  return { status: response.statusCode as number, body: await readText(response), tenantId: response.headers['x-tenant-id'] }
}

const hooks = ['onRequest', 'preValidation', 'preHandler', 'preSerialization', 'onSend', 'onResponse']

async function allSaw(seen: House['seen'], id: string, slug: string, expected: readonly string[] = hooks): Promise<void> {
  // onResponse comes after the client has its answer: wait for that fact, not for a time.
  while (!seen.get(id)?.some((line) => line.startsWith('onResponse'))) await turn()
  assert.deepEqual(
    seen.get(id),
    expected.map((hook) => `${hook} ${slug}`),
  )
}

test('large bodies of alternating tenants over one kept connection never leave their scope', async (t) => {
  const { port, seen } = await house(t, (app, door) => {
    app.post('/echo', async (request) => {
      await turn()
      return { tenant: door.scope.current().tenant.slug, length: (request.body as { text: string }).text.length }
    })
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  for (let round = 0; round < 8; round++) {
    const slug = round % 2 === 0 ? 'bob' : 'carol'
    const text = slug.repeat(300_000 / slug.length)
    const response = await send(port, agent, slug, `round-${round}`, '/echo', Buffer.from(JSON.stringify({ text })))
    assert.deepEqual(JSON.parse(response.body), { tenant: slug, length: text.length })
    await allSaw(seen, `round-${round}`, slug)
  }
})

test('interleaved requests of two tenants over many connections never leave their scope', async (t) => {
  const { port, seen } = await house(t, (app, door) => {
    app.post('/echo', async () => {
      for (let time = 0; time < 5; time++) await turn()
      return { tenant: door.scope.current().tenant.slug }
    })
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  t.after(() => agent.destroy())
  const body = Buffer.from(JSON.stringify({ text: 'x'.repeat(200_000) }))
  await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const slug = index % 3 === 0 ? 'bob' : 'carol'
      const response = await send(port, agent, slug, `id-${index}`, '/echo', body)
      assert.deepEqual(JSON.parse(response.body), { tenant: slug })
      assert.equal(response.tenantId, slug === 'bob' ? bob.id : carol.id)
      await allSaw(seen, `id-${index}`, slug)
    }),
  )
})

test('pipelined requests of two tenants on one socket are each in their own scope', async (t) => {
  const { port, seen } = await house(t, (app, door) => {
    app.get('/big', async () => ({ tenant: door.scope.current().tenant.slug, pad: 'x'.repeat(200_000) }))
  })
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  const slugs: Slug[] = ['bob', 'carol', 'carol', 'bob', 'carol', 'bob']
  const requests = slugs.map(
    (slug, index) =>
      `GET /big HTTP/1.1\r\nHost: ${slug}.app.example.com\r\nAuthorization: Bearer ${tokens[slug]}\r\nX-Request-Id: p-${index}\r\n${index === slugs.length - 1 ? 'Connection: close\r\n' : ''}\r\n`,
  )
  socket.write(requests.join(''))
  const answer = await readText(socket)
  assert.deepEqual(
    [...answer.matchAll(/"tenant":"(\w+)"/g)].map((match) => match[1]),
    slugs,
  )
  for (const [index, slug] of slugs.entries()) await allSaw(seen, `p-${index}`, slug)
})

test("a parser that calls back from nowhere, or from another tenant's scope, does not change whose request it is", async (t) => {
  const { port, seen, door } = await house(t, (app, scoped) => {
    app.addContentTypeParser('application/json', (request, payload, done) => {
      const chunks: Buffer[] = []
      payload.on('data', (chunk: Buffer) => chunks.push(chunk))
      const outside = request.headers['x-request-id'] === 'from-carol' ? createTenantContext({ tenant: carol }) : undefined
      payload.on('end', () => elsewhere.emit('job', () => (outside === undefined ? done(null, {}) : carolsScope(() => done(null, {})))))
    })
    app.post('/echo', async () => ({ tenant: scoped.scope.current().tenant.slug }))
  })
  // Work that was queued before any request: its context is nobody's, or carol's.
  const elsewhere = new EventEmitter()
  const queue: (() => void)[] = []
  elsewhere.on('job', (job: () => void) => queue.push(job))
  const carolsScope = door.scope.run(createTenantContext({ tenant: carol }), () => door.scope.bind((fn: () => void) => fn()))
  const worker = setInterval(() => queue.shift()?.(), 1)
  t.after(() => clearInterval(worker))
  const agent = new Agent()
  for (const id of ['from-nowhere', 'from-carol']) {
    const response = await send(port, agent, 'bob', id, '/echo', Buffer.from('{}'))
    assert.deepEqual([response.status, response.body], [200, '{"tenant":"bob"}'])
    await allSaw(seen, id, 'bob')
  }
})

test("a hook that calls back in another tenant's scope, as a pooled client may, does not hand the handler to that tenant", async (t) => {
  for (const stage of ['preParsing', 'preValidation', 'preHandler'] as const) {
    const { port, seen } = await house(t, (app, door) => {
      const inCarols = (fn: () => void) => setImmediateOutside(() => door.scope.run(createTenantContext({ tenant: carol }), fn))
      if (stage === 'preParsing') app.addHook(stage, (_request, _reply, payload, done) => inCarols(() => done(null, payload)))
      else app.addHook(stage, (_request: FastifyRequest, _reply: FastifyReply, done: () => void) => inCarols(() => done()))
      app.get('/me', async () => ({ tenant: door.scope.current().tenant.slug }))
    })
    const response = await send(port, new Agent(), 'bob', stage, '/me')
    assert.deepEqual([response.status, response.body], [200, '{"tenant":"bob"}'], stage)
    await allSaw(seen, stage, 'bob')
  }
})

test("a reply that is sent from another tenant's scope is finished in its own", async (t) => {
  const { port, seen } = await house(t, (app, door) => {
    app.get('/late', (_request, reply) => {
      const carolsScope = createTenantContext({ tenant: carol })
      setImmediateOutside(() => door.scope.run(carolsScope, () => void reply.send({ ok: true })))
    })
    app.get('/late-text', (_request, reply) => {
      setImmediateOutside(() => door.scope.run(createTenantContext({ tenant: carol }), () => void reply.send('ok')))
    })
    app.get('/hijacked', (_request, reply) => {
      reply.hijack()
      setImmediateOutside(() => door.scope.run(createTenantContext({ tenant: carol }), () => void reply.raw.end('ok')))
    })
    app.get('/fails', (_request, reply) => {
      setImmediateOutside(() => void reply.send(new Error('late')))
    })
  })
  const agent = new Agent()
  assert.equal((await send(port, agent, 'bob', 'late', '/late')).status, 200)
  await allSaw(seen, 'late', 'bob')
  assert.equal((await send(port, agent, 'bob', 'late-text', '/late-text')).status, 200)
  await allSaw(seen, 'late-text', 'bob', ['onRequest', 'preValidation', 'preHandler', 'onSend', 'onResponse'])
  assert.equal((await send(port, agent, 'bob', 'hijacked', '/hijacked')).status, 200)
  await allSaw(seen, 'hijacked', 'bob', ['onRequest', 'preValidation', 'preHandler', 'onResponse'])
  assert.equal((await send(port, agent, 'bob', 'fails', '/fails')).status, 500)
  await allSaw(seen, 'fails', 'bob', ['onRequest', 'preValidation', 'preHandler', 'onError', 'onSend', 'onResponse'])
})

test('a streamed answer is produced in its scope', async (t) => {
  const { port } = await house(t, (app, door) => {
    app.get('/stream', () => {
      async function* rows() {
        for (let row = 0; row < 50; row++) {
          await turn()
          yield `${door.scope.current().tenant.slug}\n`.repeat(1_000)
        }
      }
      return Readable.from(rows())
    })
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 2 })
  t.after(() => agent.destroy())
  const answers = await Promise.all(
    (['bob', 'carol', 'bob', 'carol'] as const).map((slug, index) => send(port, agent, slug, `s-${index}`, '/stream')),
  )
  assert.deepEqual(
    answers.map(({ body }) => [...new Set(body.trim().split('\n'))]),
    [['bob'], ['carol'], ['bob'], ['carol']],
  )
})

test('two hosts, an absolute target, and a doubled tenant header are refused on the wire', async (t) => {
  const { port } = await house(t, (app) => {
    app.get('/*', async () => 'served')
  })
  const raw = async (line: string, ...headers: string[]) => {
    const socket = connect(port, '127.0.0.1')
    socket.write([`GET ${line} HTTP/1.1`, ...headers, `Authorization: Bearer ${tokens.bob}`, 'Connection: close', '', ''].join('\r\n'))
    const answer = await readText(socket)
    return [answer.slice(9, 12), /"code":"(\w+)"/.exec(answer)?.[1] ?? answer.split('\r\n\r\n')[1]]
  }
  const host = 'Host: bob.app.example.com'
  assert.deepEqual(await raw('/x', host), ['200', 'served'])
  assert.deepEqual(await raw('/x', host, 'Host: carol.app.example.com'), ['400', 'PW_INVALID_HINT'])
  assert.deepEqual(await raw('/x', host, host), ['400', 'PW_INVALID_HINT'])
  assert.deepEqual(await raw('/x', host, 'X-Tenant-ID: bob', 'x-tenant-id: bob'), ['400', 'PW_INVALID_HINT'])
  assert.deepEqual(await raw('http://carol.app.example.com/x', host), ['400', 'PW_INVALID_INPUT'])
  assert.deepEqual(await raw('/x', 'Host: b\u00adob.app.example.com'), ['400', 'PW_INVALID_HINT'])
  assert.deepEqual(await raw('/x', host, `Authorization: Bearer ${tokens.carol}`), ['401', 'PW_INVALID_IDENTITY'])
})

/** Runs `fn` in nobody's context. */
const outside = new EventEmitter()
const outsideQueue: (() => void)[] = []
outside.on('job', (fn: () => void) => outsideQueue.push(fn))
const outsideWorker = setInterval(() => outsideQueue.shift()?.(), 1)
outsideWorker.unref()
function setImmediateOutside(fn: () => void): void {
  outside.emit('job', fn)
}
