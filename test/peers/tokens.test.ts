// From service to service: every token that is not for this service, this second and this request is refused; and no token goes to anybody
// who is not on the list.

import assert from 'node:assert/strict'
import { createSecretKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import Fastify from 'fastify'
import { SignJWT, UnsecuredJWT } from 'jose'
import { createTenantContext } from '../../src/core/tenant-context.ts'
import {
  BreakGlassRefusedError,
  ConfigurationError,
  IdentityRequiredError,
  InvalidIdentityError,
  NoTenantError,
  TenantNotFoundError,
  TenantOffboardingError,
  TenantSuspendedError,
} from '../../src/errors.ts'
import { issueToken, jwt } from '../../src/identity/jwt.ts'
import { tenancyPlugin } from '../../src/middleware/fastify.ts'
import { type ServiceKey, serviceDoor, serviceIdentity, serviceTokenHeader, serviceTokens, tenantFetch } from '../../src/peers/index.ts'
import { audience, bob, carol, dave, frank, issuer, nobodysId, secret, type WatchedDoor, watchedDoor } from '../support/door-cast.ts'

const pair = (algorithm: 'EdDSA' | 'ES256' = 'EdDSA') =>
  algorithm === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keyOf = (kid: string, algorithm: 'EdDSA' | 'ES256' = 'EdDSA'): ServiceKey & { readonly privateKey: KeyObject } => ({
  kid,
  algorithm,
  ...pair(algorithm),
})

const first = keyOf('first')
const trace = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'x=y' }
const ofBob = createTenantContext({ tenant: bob, actor: { kind: 'user', id: 'alice' }, requestId: 'request-1', trace })

async function billing(keys: readonly ServiceKey[] = [first], tenancy: WatchedDoor = watchedDoor()) {
  const published = await serviceTokens({ tenancy, issuer: 'gateway', keys }).jwks()
  const options = { audience: 'billing', issuers: { gateway: published } }
  return { tenancy, options, door: serviceDoor({ tenancy, ...options }) }
}

function gateway(keys: readonly ServiceKey[] = [first], more: { readonly ttlSec?: number; readonly issuer?: string } = {}) {
  const tenancy = watchedDoor()
  const tokens = serviceTokens({ tenancy, issuer: 'gateway', keys, ...more })
  return { tenancy, tokens, carry: (context = ofBob, to = 'billing') => tenancy.scope.run(context, () => tokens.carry(to)) }
}

describe('a token of a service', () => {
  for (const algorithm of ['EdDSA', 'ES256'] as const) {
    test(`${algorithm}: carries tenant, actor, request and trace, and nothing of the key`, async () => {
      const key = keyOf('k', algorithm)
      const { door, tenancy } = await billing([key])
      const seen = await door.receive(await gateway([key]).carry(), (context) => {
        assert.equal(tenancy.scope.current(), context)
        return context
      })
      assert.deepEqual(
        [seen.tenant.id, seen.actor, seen.requestId, seen.trace],
        [bob.id, { kind: 'user', id: 'alice' }, 'request-1', trace],
      )
      const { keys } = await serviceTokens({ tenancy, issuer: 'gateway', keys: [key] }).jwks()
      assert.ok(keys.every((jwk) => !('d' in jwk)) && keys[0]?.kid === 'k')
    })
  }

  test('is refused when it is not for this service, not of one that is known, or not good any more', async () => {
    const { door, options } = await billing()
    const refused = async (token: string, headers: Record<string, string> = {}) =>
      await assert.rejects(
        door.receive({ [serviceTokenHeader]: token, ...headers }, () => assert.fail('it was let in')),
        InvalidIdentityError,
      )
    const { [serviceTokenHeader]: good = '' } = await gateway().carry()
    await door.receive({ [serviceTokenHeader]: good }, () => {})

    await refused((await gateway().carry(ofBob, 'search'))[serviceTokenHeader]!)
    await refused((await gateway([keyOf('first')]).carry())[serviceTokenHeader]!)
    await refused((await gateway([first], { issuer: 'reports' }).carry())[serviceTokenHeader]!)
    await refused(good.slice(0, -4).concat('AAAA'))
    await refused(`${good}${'a'.repeat(8_192)}`)
    await refused('nonsense')
    await refused(good, { 'x-request-id': 'another-request' })

    const now = Math.floor(Date.now() / 1000)
    const forged = async (
      change: {
        readonly claims?: object
        readonly header?: object
        readonly audience?: string | string[]
        readonly iat?: number
        readonly exp?: number
        readonly key?: KeyObject
      } = {},
    ) =>
      await new SignJWT({ tenant_id: bob.id, actor: { kind: 'user', id: 'alice' }, request_id: 'r', ...change.claims })
        .setProtectedHeader({ alg: 'EdDSA', typ: 'partywall-service+jwt', kid: 'first', ...change.header })
        .setIssuer('gateway')
        .setAudience(change.audience ?? 'billing')
        .setJti('1')
        .setIssuedAt(change.iat ?? now)
        .setExpirationTime(change.exp ?? now + 30)
        .sign(change.key ?? first.privateKey)
    await door.receive({ [serviceTokenHeader]: await forged() }, () => {})
    await refused(await forged({ audience: ['billing', 'search'] }))
    await refused(await forged({ iat: now - 600, exp: now - 570 }))
    await refused(await forged({ iat: now, exp: now + 3_600 }))
    await refused(await forged({ iat: now - 600, exp: now + 30 }))
    await refused(await forged({ iat: now + 600, exp: now + 630 }))
    await refused(await forged({ header: { typ: 'JWT' } }))
    await refused(await forged({ header: { kid: 'unheard-of' } }))
    await refused(await forged({ header: { kid: undefined } }))
    await refused(await forged({ claims: { tenant_id: 'bob' } }))
    await refused(await forged({ claims: { tenant_id: undefined } }))
    await refused(await forged({ claims: { actor: { kind: 'staff', id: 'eve' } } }))
    await refused(await forged({ claims: { request_id: undefined } }))
    // The public key, which everybody has, as a shared secret.
    const shared = createSecretKey(Buffer.from(JSON.stringify(options.issuers.gateway)))
    await refused(await forged({ header: { alg: 'HS256' }, key: shared }))
    await refused(
      new UnsecuredJWT({ tenant_id: bob.id }).setIssuer('gateway').setAudience('billing').setIssuedAt().setExpirationTime('30s').encode(),
    )
  })

  test('a tenant that is suspended, being closed or unknown here is refused, as at every door', async () => {
    const { door } = await billing()
    const cases = [
      [dave, TenantSuspendedError],
      [frank, TenantOffboardingError],
      [{ ...bob, id: nobodysId }, TenantNotFoundError],
    ] as const
    for (const [tenant, refusal] of cases) {
      const headers = await gateway().carry(createTenantContext({ tenant }))
      await assert.rejects(
        door.receive(headers, () => assert.fail('it was let in')),
        refusal,
      )
    }
    await assert.rejects(
      door.receive({}, () => assert.fail('it was let in')),
      IdentityRequiredError,
    )
  })

  test('keys rotate: both are good while both are published, and one that is withdrawn is not', async () => {
    const second = keyOf('second')
    const old = await gateway([first, second]).carry()
    const young = await gateway([second, first]).carry()
    const { door: between } = await billing([first, second])
    await between.receive(old, () => {})
    await between.receive(young, () => {})
    const { door: after } = await billing([second])
    await after.receive(young, () => {})
    await assert.rejects(
      after.receive(old, () => {}),
      InvalidIdentityError,
    )
  })

  test('is made for the tenant in context alone, not by a grant, and not for long', async () => {
    const { tokens, tenancy } = gateway()
    await assert.rejects(tokens.sign('billing'), NoTenantError)
    const granted = createTenantContext({ tenant: bob, grant: { id: 'g' } as never })
    await assert.rejects(
      tenancy.scope.run(granted, () => tokens.sign('billing')),
      BreakGlassRefusedError,
    )
    await assert.rejects(
      tenancy.scope.run(ofBob, () => tokens.sign('Billing!')),
      ConfigurationError,
    )
    for (const ttlSec of [0, 61, 0.5]) assert.throws(() => gateway([first], { ttlSec }), ConfigurationError)
    assert.throws(() => gateway([first, first]), ConfigurationError)
    assert.throws(() => gateway([{ ...first, privateKey: undefined }]), ConfigurationError)
    assert.throws(() => gateway([{ ...first, publicKey: first.privateKey }]), ConfigurationError)
    assert.throws(() => serviceIdentity({ audience: 'billing', issuers: {} }), ConfigurationError)
  })
})

describe('two services', () => {
  const key = { algorithm: 'HS256', key: secret, issuer, audience } as const
  const bearer = async (tenant: string) => `Bearer ${await issueToken({ ...key, subject: 'alice', tenants: [tenant], ttlSec: 60 })}`

  async function served(t: TestContext) {
    const { options, tenancy } = await billing()
    const other = Fastify()
    await other.register(tenancyPlugin, { tenancy, identity: [serviceIdentity(options), jwt(key)] })
    other.get('/invoices', async (request) => ({
      tenant: tenancy.scope.current().tenant.slug,
      actor: tenancy.scope.current().actor,
      requestId: request.id,
    }))
    const url = await other.listen({ port: 0, host: '127.0.0.1' })
    const ahead = gateway()
    const call = tenantFetch({ tokens: ahead.tokens, audiences: { [url]: 'billing' } })
    const app = Fastify()
    await app.register(tenancyPlugin, { tenancy: ahead.tenancy, identity: jwt(key) })
    app.get('/invoices', async () => await (await call(`${url}/invoices`)).json())
    t.after(async () => {
      await app.close()
      await other.close()
    })
    return { app, other, url }
  }

  test('many requests of two tenants: each asks for its own, as the user who asked', async (t) => {
    const { app } = await served(t)
    const [bobs, carols] = [await bearer(bob.id), await bearer(carol.id)]
    const ask = async (i: number) => {
      const requestId = `request-${i}`
      const headers = { authorization: i % 2 === 0 ? bobs : carols, 'x-request-id': requestId }
      const answer = (await app.inject({ url: '/invoices', headers })).json()
      assert.deepEqual(answer, { tenant: i % 2 === 0 ? 'bob' : 'carol', actor: { kind: 'user', id: 'alice' }, requestId })
    }
    await Promise.all(Array.from({ length: 60 }, (_, i) => ask(i)))
  })

  test('a user’s token is no service’s, nor the other way round; and with both nobody knows whose request it is', async (t) => {
    const { other } = await served(t)
    const users = await bearer(bob.id)
    const { [serviceTokenHeader]: services = '' } = await gateway().carry()
    const status = async (headers: Record<string, string>) => (await other.inject({ url: '/invoices', headers })).statusCode
    assert.equal(await status({ authorization: users }), 200)
    assert.equal(await status({ [serviceTokenHeader]: services }), 200)
    assert.equal(await status({ [serviceTokenHeader]: users.slice('Bearer '.length) }), 401)
    assert.equal(await status({ authorization: `Bearer ${services}` }), 401)
    assert.equal(await status({ authorization: users, [serviceTokenHeader]: services }), 401)
  })

  test('who is not on the list gets none of it: by another port, another scheme, userinfo, or a redirect', async (t) => {
    const heard: IncomingHttpHeaders[] = []
    const listen = async (location?: string) => {
      const server = createServer((request, response) => {
        heard.push(request.headers)
        if (location !== undefined) response.writeHead(302, { location })
        response.end()
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      t.after(() => {
        server.closeAllConnections()
        server.close()
      })
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    }
    const stranger = await listen()
    const friend = await listen(`${stranger}/x`)
    const { tokens, tenancy } = gateway()
    const call = tenantFetch({ tokens, audiences: { [friend]: 'billing' } })
    const ours = [serviceTokenHeader, 'x-request-id', 'traceparent', 'tracestate']
    const told = (headers: IncomingHttpHeaders | undefined) => ours.filter((name) => headers?.[name] !== undefined)

    const answer = await tenancy.scope.run(ofBob, () =>
      call(`${friend}/x`, { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' } }),
    )
    assert.deepEqual([answer.status, heard.length, told(heard[0])], [302, 1, ours])
    await tenancy.scope.run(ofBob, () => call(`${stranger}/x`))
    await tenancy.scope.run(ofBob, () => call(stranger, { headers: { [serviceTokenHeader]: 'by hand' } }))
    await tenancy.scope.run(ofBob, () => call(new Request(`${stranger}/${friend}`)))
    assert.deepEqual(heard.slice(1).map(told), [[], [], []])
    // No tenant, no request.
    await assert.rejects(call(friend), NoTenantError)
    assert.equal(heard.length, 4)
    for (const origin of [`${friend}/path`, 'https://user@billing.internal', 'billing', 'data:x', 'https://*.internal']) {
      assert.throws(() => tenantFetch({ tokens, audiences: { [origin]: 'billing' } }), ConfigurationError, origin)
    }
  })
})
