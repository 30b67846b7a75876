import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { identify } from '../../src/core/identity.ts'
import { ConfigurationError, InvalidIdentityError } from '../../src/errors.ts'
import { issueToken, type JwtKey, jwt } from '../../src/identity/jwt.ts'
import { audience, bob, issuer, request, secret } from '../support/door-cast.ts'
import { ManualClock } from '../support/manual-clock.ts'

const shared: JwtKey = { algorithm: 'HS256', key: secret }
const bearing = (token: string) => request({ headers: [['authorization', `Bearer ${token}`]] })

test('a token that we issue is a token that we take, until its end', async () => {
  const pair = generateKeyPairSync('ed25519')
  const keys: [JwtKey, JwtKey][] = [
    [shared, shared],
    [
      { algorithm: 'EdDSA', key: pair.privateKey },
      { algorithm: 'EdDSA', key: pair.publicKey },
    ],
  ]
  for (const [signing, verifying] of keys) {
    const clock = new ManualClock()
    const provider = jwt({ ...verifying, issuer, audience, clock })
    const token = await issueToken({
      ...signing,
      issuer,
      audience,
      subject: 'alice',
      tenants: [bob.id],
      ttlSec: 60,
      scopes: ['a', 'b'],
      clock,
    })
    const identity = await provider.identify(bearing(token))
    assert.deepEqual(identity?.memberships, [{ kind: 'id', id: bob.id }])
    assert.deepEqual(identity?.scopes, ['a', 'b'])
    clock.advance(66_000)
    await assert.rejects(provider.identify(bearing(token)), InvalidIdentityError)
  }
})

test('a token of another secret, audience or issuer is refused', async () => {
  const providers = [jwt({ ...shared, issuer, audience })]
  const base = { ...shared, issuer, audience, subject: 'eve', tenants: ['bob'], ttlSec: 60 }
  const other = new TextEncoder().encode('another secret of the test, with more than 32 bytes')
  for (const more of [{ key: other }, { audience: 'billing' }, { issuer: 'https://evil.example' }]) {
    await assert.rejects(identify(providers, bearing(await issueToken({ ...base, ...more }))), InvalidIdentityError)
  }
  assert.ok(await identify(providers, bearing(await issueToken(base))))
})

test('a short secret, or a PEM file in its place, is refused when it is configured', () => {
  for (const text of ['short', `-----BEGIN PUBLIC KEY-----${'x'.repeat(64)}`]) {
    assert.throws(() => jwt({ algorithm: 'HS256', key: new TextEncoder().encode(text), issuer, audience }), ConfigurationError)
  }
})

test('two good credentials in one request are refused: nobody could say whose it is', async () => {
  const token = await issueToken({ ...shared, issuer, audience, subject: 'alice', tenants: ['bob'], ttlSec: 60 })
  const provider = jwt({ ...shared, issuer, audience })
  await assert.rejects(identify([provider, provider], bearing(token)), InvalidIdentityError)
})
