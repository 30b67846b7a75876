// tRPC behind the web's adapter: batches, streams, and errors that tell a code and no more.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { initTRPC, TRPCError } from '@trpc/server'
import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import { header } from '../../src/core/hints.ts'
import { InvalidInputError, TenantBusyError } from '../../src/errors.ts'
import { issueToken, jwt } from '../../src/identity/jwt.ts'
import { trpcTenancy } from '../../src/middleware/trpc.ts'
import { webTenancy } from '../../src/middleware/web.ts'
import { audience, issuer, secret, watchedDoor } from '../support/door-cast.ts'

interface Answer {
  readonly code?: string
  readonly error: {
    readonly message: string
    readonly data: { readonly code: string; readonly httpStatus: number; readonly partywall?: string }
  }
}

const json = async (answer: Response) => (await answer.json()) as Answer

const key = { algorithm: 'HS256', key: secret, issuer, audience } as const

function served() {
  const door = watchedDoor()
  const { admitted, errorFormatter } = trpcTenancy({ tenancy: door })
  const t = initTRPC.create({ errorFormatter, isDev: true })
  const tenantProcedure = t.procedure.use(admitted)
  const failing = (make: () => unknown) =>
    tenantProcedure.query((): string => {
      throw make()
    })
  const router = t.router({
    me: tenantProcedure.query(({ ctx }) => ({ inContext: ctx.tenant.slug, inScope: door.scope.current().tenant.slug })),
    pieces: tenantProcedure.query(async function* () {
      for (let i = 0; i < 3; i++) {
        await new Promise(setImmediate)
        yield door.scope.current().tenant.slug
      }
    }),
    number: tenantProcedure
      .input((input) => {
        if (typeof input === 'number') return input
        throw new TypeError('s3cret of a parser')
      })
      .query(({ input }) => input),
    busy: failing(() => new TenantBusyError('Tenant bob has 12 s3cret waiting.')),
    invalid: failing(() => new InvalidInputError('s3cret detail')),
    unknown: failing(() => new TypeError('postgres://gatekeeper:s3cret@db')),
    own: failing(() => new TRPCError({ code: 'CONFLICT', message: 'The document was changed meanwhile.' })),
    wrapped: failing(() => new TRPCError({ code: 'CONFLICT', cause: new TypeError('s3cret of a driver') })),
  })
  const { handler } = webTenancy({ tenancy: door, identity: jwt(key), hints: [header()], publicPaths: ['/trpc/open/'] })
  const serve = handler((request) => {
    const endpoint = new URL(request.url).pathname.startsWith('/trpc/open/') ? '/trpc/open' : '/trpc'
    return fetchRequestHandler({ endpoint, req: request, router })
  })
  return { router, serve }
}

async function call(path: string, { tenant = 'bob', headers = {} }: { tenant?: string; headers?: Record<string, string> } = {}) {
  const authorization = `Bearer ${await issueToken({ ...key, subject: 'alice', tenants: ['bob', 'carol'], ttlSec: 60 })}`
  return await served().serve(new Request(`http://localhost${path}`, { headers: { authorization, 'x-tenant-id': tenant, ...headers } }))
}

describe('the door of tRPC', () => {
  test('each call of a batch is of the request’s tenant', async () => {
    for (const tenant of ['bob', 'carol']) {
      const answer = await call('/trpc/me,me?batch=1&input={}', { tenant })
      const expected = { result: { data: { inContext: tenant, inScope: tenant } } }
      assert.deepEqual([answer.status, await answer.json()], [200, [expected, expected]])
    }
  })

  test('a streamed answer is made in its scope', async () => {
    const answers = await Promise.all(
      ['bob', 'carol'].map(async (tenant) => {
        const answer = await call('/trpc/pieces?batch=1&input={}', { tenant, headers: { 'trpc-accept': 'application/jsonl' } })
        return [tenant, await answer.text()] as const
      }),
    )
    for (const [tenant, text] of answers) {
      assert.equal(text.split(`"${tenant}"`).length - 1, 3, text)
      assert.ok(!text.includes(tenant === 'bob' ? 'carol' : 'bob'), text)
    }
  })

  test('who is not let in does not reach it; and what no adapter admitted is refused', async () => {
    const stranger = await served().serve(new Request('http://localhost/trpc/me'))
    assert.deepEqual([stranger.status, (await json(stranger)).code], [401, 'PW_IDENTITY_REQUIRED'])
    const past = await served().serve(new Request('http://localhost/trpc/open/me'))
    assert.deepEqual([past.status, (await json(past)).error.data.code], [401, 'UNAUTHORIZED'])
    await assert.rejects(served().router.createCaller({}).me(), { code: 'UNAUTHORIZED' })
  })

  test('errors tell a code and no more, in development too', async () => {
    const cases = [
      ['busy', 429, 'TOO_MANY_REQUESTS', 'PW_TENANT_BUSY'],
      ['invalid', 400, 'BAD_REQUEST', 'PW_INVALID_INPUT'],
      ['unknown', 500, 'INTERNAL_SERVER_ERROR', 'PW_INTERNAL'],
      ['number?input="x"', 400, 'BAD_REQUEST', undefined],
      ['wrapped', 409, 'CONFLICT', undefined],
      ['own', 409, 'CONFLICT', undefined],
      ['nowhere', 404, 'NOT_FOUND', undefined],
    ] as const
    for (const [path, status, code, ours] of cases) {
      const answer = await call(`/trpc/${path}`)
      const text = await answer.text()
      const { error } = JSON.parse(text) as Answer
      assert.deepEqual([error.data.httpStatus, error.data.code, error.data.partywall], [status, code, ours], path)
      assert.equal(answer.status, status, path)
      assert.ok(!/s3cret|stack|waiting/.test(text), text)
    }
    const { error } = await json(await call('/trpc/own'))
    assert.equal(error.message, 'The document was changed meanwhile.')
  })
})
