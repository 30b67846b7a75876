// Real key sets over real HTTP. Eve holds keys of her own, and an issuer of her own that we trust for her tenant alone.

import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import {
  type CryptoKey,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose'
import { identify } from '../../src/core/identity.ts'
import { ConfigurationError, IdentityUnavailableError, InvalidIdentityError } from '../../src/errors.ts'
import { type OidcIssuer, oidc } from '../../src/identity/oidc.ts'
import { bob, carol, request } from '../support/door-cast.ts'
import { ManualClock } from '../support/manual-clock.ts'

interface Issuer {
  readonly url: string
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
}

let server: Server
let base: string
let good: Issuer
let eves: Issuer
const clock = new ManualClock()
const nowSec = clock.now() / 1000
/** What the server answers, by path; and what it was asked. */
const documents = new Map<string, { readonly status?: number; readonly body: string }>()
const asked: string[] = []

before(async () => {
  server = createServer((incoming, response) => {
    asked.push(incoming.url ?? '')
    const document = documents.get(incoming.url ?? '')
    response.writeHead(document === undefined ? 404 : (document.status ?? 200), { 'content-type': 'application/json' })
    response.end(document?.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  good = { url: `${base}/good`, ...(await generateKeyPair('RS256', { extractable: true })) }
  eves = { url: `${base}/eves`, ...(await generateKeyPair('RS256', { extractable: true })) }
})

after(() => server.close())

beforeEach(async () => {
  asked.length = 0
  documents.clear()
  for (const issuer of [good, eves]) {
    const path = new URL(issuer.url).pathname
    const key = { ...(await exportJWK(issuer.publicKey)), kid: 'the-same-kid', alg: 'RS256', use: 'sig' }
    documents.set(`${path}/jwks`, { body: JSON.stringify({ keys: [key] }) })
    documents.set(`${path}/.well-known/openid-configuration`, {
      body: JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` }),
    })
  }
})

const trusted = (issuer: Issuer, more: Partial<OidcIssuer> = {}): OidcIssuer => ({
  issuer: issuer.url,
  audience: 'documents',
  jwksUri: `${issuer.url}/jwks`,
  clock,
  ...more,
})

const claims = (more: Readonly<Record<string, unknown>> = {}): JWTPayload => ({
  iss: good.url,
  aud: 'documents',
  sub: 'alice',
  tenant_id: 'bob',
  iat: nowSec - 10,
  nbf: nowSec - 10,
  exp: nowSec + 600,
  ...more,
})

const sign = (payload: JWTPayload, key: CryptoKey | Uint8Array = good.privateKey, header: Partial<JWTHeaderParameters> = {}) =>
  new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid: 'the-same-kid', ...header }).sign(key)

const bearing = (token: string) => request({ headers: [['authorization', `Bearer ${token}`]] })

async function refuses(token: string, ...issuers: [OidcIssuer, ...OidcIssuer[]]): Promise<void> {
  await assert.rejects(identify([oidc(...issuers)], bearing(token)), InvalidIdentityError)
}

test('a good token tells who acts and for which tenants', async () => {
  const provider = oidc(trusted(good))
  const identity = await provider.identify(bearing(await sign(claims({ tenant_id: ['bob', carol.id], scope: 'documents:read' }))))
  assert.deepEqual(identity, {
    actor: { kind: 'user', id: 'alice' },
    memberships: [
      { kind: 'slug', slug: 'bob' },
      { kind: 'id', id: carol.id },
    ],
    method: 'jwt',
    scopes: ['documents:read'],
    expiresAt: new Date((nowSec + 600) * 1000),
  })
  assert.deepEqual(asked, ['/good/jwks'])
})

test('keys are found by discovery, once, and only in the document of that very issuer', async () => {
  const provider = oidc(trusted(good, { jwksUri: undefined }))
  await Promise.all([1, 2, 3].map(async () => assert.ok(await provider.identify(bearing(await sign(claims()))))))
  assert.deepEqual(asked, ['/good/.well-known/openid-configuration', '/good/jwks'])
  documents.set('/good/.well-known/openid-configuration', { body: JSON.stringify({ issuer: eves.url, jwks_uri: `${eves.url}/jwks` }) })
  await assert.rejects(oidc(trusted(good, { jwksUri: undefined })).identify(bearing(await sign(claims()))), IdentityUnavailableError)
})

test('alg none is refused', async () => {
  const token = new UnsecuredJWT(claims()).encode()
  await refuses(token, trusted(good))
  await refuses(`${token}x`, trusted(good))
  const [, payload] = token.split('.')
  for (const alg of ['none', 'None', 'NONE', '']) {
    const header = Buffer.from(JSON.stringify({ alg, kid: 'the-same-kid' })).toString('base64url')
    await refuses(`${header}.${payload}.c2ln`, trusted(good))
  }
})

test('an algorithm that is not on the list is refused, though the key is good', async () => {
  const token = await sign(claims())
  await refuses(token, trusted(good, { algorithms: ['PS256', 'ES256'] }))
  assert.ok(await oidc(trusted(good, { algorithms: ['RS256'] })).identify(bearing(token)))
})

test("an HMAC keyed with the issuer's public key is refused", async () => {
  const pem = new TextEncoder().encode(await exportSPKI(good.publicKey))
  await refuses(await sign(claims(), pem, { alg: 'HS256' }), trusted(good))
})

test("a token that says it is of one issuer, signed with another's key under the same kid, is refused", async () => {
  const both = [trusted(good), trusted(eves)] as const
  await refuses(await sign(claims({ iss: good.url }), eves.privateKey), ...both)
  await refuses(await sign(claims({ iss: eves.url }), good.privateKey), ...both)
  // The keys of the issuer that the token names were asked, and nobody else's.
  assert.deepEqual(asked, ['/good/jwks', '/eves/jwks'])
})

test('an issuer speaks for its own tenants alone; one foreign name spoils the token', async () => {
  const provider = oidc(trusted(good), trusted(eves, { tenants: ['carol', carol.id] }))
  const from = async (tenant: unknown) =>
    provider.identify(bearing(await sign(claims({ iss: eves.url, tenant_id: tenant }), eves.privateKey)))
  assert.deepEqual((await from('carol'))?.memberships, [{ kind: 'slug', slug: 'carol' }])
  for (const tenant of ['bob', bob.id, ['carol', 'bob']]) await assert.rejects(from(tenant), InvalidIdentityError)
})

test('what a token says of its own keys (jku, x5u, jwk) is ignored', async () => {
  const jwk = await exportJWK(eves.publicKey)
  for (const header of [{ jku: `${eves.url}/jwks` }, { x5u: `${eves.url}/cert` }, { jwk }]) {
    await refuses(await sign(claims(), eves.privateKey, header), trusted(good))
  }
  assert.ok(asked.every((url) => url === '/good/jwks'))
})

test('lifetime, audience and type are checked', async () => {
  const bad: [string, Record<string, unknown>, Partial<JWTHeaderParameters>?][] = [
    ['expired', { exp: nowSec - 6 }],
    ['without an end', { exp: undefined }],
    ['not yet', { nbf: nowSec + 60 }],
    ['born in the future', { nbf: undefined, iat: nowSec + 60 }],
    ['without a start', { nbf: undefined, iat: undefined }],
    ['for others', { aud: 'billing' }],
    ['for nobody', { aud: undefined }],
    ['of nobody', { sub: undefined }],
    ['a logout token', {}, { typ: 'logout+jwt' }],
  ]
  for (const [what, more, header] of bad) {
    await assert.rejects(
      oidc(trusted(good)).identify(bearing(await sign(claims(more), good.privateKey, header))),
      InvalidIdentityError,
      what,
    )
  }
  assert.ok(await oidc(trusted(good)).identify(bearing(await sign(claims({ nbf: undefined, aud: ['billing', 'documents'] })))))
  assert.ok(await oidc(trusted(good)).identify(bearing(await sign(claims({ exp: nowSec - 4 })))), 'within the tolerance')
})

test('tenant claims in another than canonical form are refused, and so is a crowd of them', async () => {
  for (const tenant of [
    'BOB',
    ' bob',
    'ａｃｍｅ',
    bob.id.toUpperCase(),
    7,
    { id: 'bob' },
    [['bob']],
    '__proto__',
    Array(101).fill('bob'),
  ]) {
    await refuses(await sign(claims({ tenant_id: tenant })), trusted(good))
  }
  assert.deepEqual((await oidc(trusted(good)).identify(bearing(await sign(claims({ tenant_id: undefined })))))?.memberships, [])
})

test('malformed, doubled and foreign Authorization headers are refused; other kinds of credential are left alone', async () => {
  const token = await sign(claims())
  const [header, payload, signature] = token.split('.')
  for (const text of [
    '',
    'a.b.c',
    `${header}.${payload}`,
    `${header}.${payload}.`,
    `${token}.`,
    ` ${token}`,
    `${token},${token}`,
    `${header}.${payload}.${signature}é`,
    'x'.repeat(20_000),
  ]) {
    await refuses(text, trusted(good))
  }
  const twice = request({
    headers: [
      ['authorization', `Bearer ${token}`],
      ['authorization', `Bearer ${token}`],
    ],
  })
  await assert.rejects(oidc(trusted(good)).identify(twice), InvalidIdentityError)
  await refuses(await sign(claims({ iss: 'https://unheard-of.example' })), trusted(good))
  assert.equal(await identify([oidc(trusted(good))], request()), undefined)
  await assert.rejects(
    identify([oidc(trusted(good))], request({ headers: [['authorization', 'Basic Ym9iOmJvYg==']] })),
    InvalidIdentityError,
  )
})

test('an outage of the key server is ours: 503, at most one question in the cool-down, and over when it is over', async () => {
  const own = new ManualClock(clock.now())
  const provider = oidc(trusted(good, { clock: own }))
  const token = await sign(claims())
  const jwks = documents.get('/good/jwks')
  const outages = [
    { status: 500, body: '' },
    { status: 302, body: '' },
    { body: 'not json' },
    { body: '{}' },
    { body: JSON.stringify({ keys: [], pad: 'x'.repeat(300_000) }) },
  ]
  for (const outage of outages) {
    documents.set('/good/jwks', outage)
    asked.length = 0
    for (let time = 0; time < 5; time++) await assert.rejects(provider.identify(bearing(token)), IdentityUnavailableError)
    assert.equal(asked.length, 1)
    own.advance(31_000)
  }
  if (jwks !== undefined) documents.set('/good/jwks', jwks)
  assert.ok(await provider.identify(bearing(token)))
})

test('a flood of unknown kids asks for the keys once', async () => {
  const provider = oidc(trusted(good))
  for (let time = 0; time < 20; time++) {
    const token = await sign(claims(), good.privateKey, { kid: `kid-${time}` })
    await assert.rejects(provider.identify(bearing(token)), InvalidIdentityError)
  }
  assert.equal(asked.length, 1)
})

test('rules under which anything could pass are refused when they are configured', () => {
  const bad: Partial<OidcIssuer>[] = [
    { algorithms: [] },
    { algorithms: ['none'] },
    { algorithms: ['RS256', 'HS256'] },
    { audience: '' },
    { audience: [] },
    { issuer: '' },
    { jwksUri: 'http://keys.example/jwks' },
    { jwksUri: 'file:///etc/passwd' },
    { clockToleranceSec: 3_600 },
    { clockToleranceSec: -1 },
  ]
  for (const more of bad) assert.throws(() => oidc(trusted(good, more)), ConfigurationError, JSON.stringify(more))
  assert.throws(() => oidc(trusted(good), trusted(good)), ConfigurationError)
})
