import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { MemoryApiKeys } from '../../src/core/memory-api-keys.ts'
import { ConfigurationError, IdentityUnavailableError, InvalidIdentityError } from '../../src/errors.ts'
import { apiKey, issueApiKey, rotateApiKey } from '../../src/identity/api-key.ts'
import { bob, request } from '../support/door-cast.ts'
import { ManualClock } from '../support/manual-clock.ts'

const sent = (text: string, name = 'x-api-key') => request({ headers: [[name, text]] })

function house() {
  const clock = new ManualClock()
  const keys = new MemoryApiKeys({ clock })
  return { clock, keys, provider: apiKey({ keys, clock }), strict: apiKey({ keys, clock, cacheTtlMs: 0 }) }
}

test('a key speaks for its one tenant with its scopes; its text is nowhere in the store', async () => {
  const { keys, provider } = house()
  const { text, key } = await issueApiKey(keys, { tenantId: bob.id, name: 'ci', scopes: ['documents:read'], environment: 'live' })
  assert.match(text, /^pw_live_[A-Za-z0-9]{12}_[A-Za-z0-9]{43}$/)
  const identity = {
    actor: { kind: 'service', id: `api-key:${key.prefix}` },
    memberships: [{ kind: 'id', id: bob.id }],
    method: 'api_key',
    scopes: ['documents:read'],
    expiresAt: undefined,
  }
  assert.deepEqual(await provider.identify(sent(text)), identity)
  assert.deepEqual(await provider.identify(sent(`Bearer ${text}`, 'authorization')), identity)
  const secret = text.slice(-43)
  const stored = await keys.find(key.prefix)
  assert.ok(
    !JSON.stringify(stored).includes(secret) &&
      !Buffer.from(stored?.secretHash ?? [])
        .toString('latin1')
        .includes(secret),
  )
})

test('a wrong secret, an unknown prefix, a mangled or doubled key are refused', async () => {
  const { keys, provider } = house()
  const { text } = await issueApiKey(keys, { tenantId: bob.id, name: 'ci' })
  const other = (await issueApiKey(keys, { tenantId: bob.id, name: 'ci' })).text
  const last = text.endsWith('x') ? 'y' : 'x'
  const bad = [
    `${text.slice(0, -1)}${last}`,
    `${text.slice(0, 16)}${other.slice(16)}`,
    `pw_${'a'.repeat(12)}_${'b'.repeat(43)}`,
    `${text} `,
    `${text}x`,
    text.toUpperCase(),
    '',
    'pw_',
    '__proto__',
  ]
  for (const wrong of bad) await assert.rejects(provider.identify(sent(wrong)), InvalidIdentityError, wrong)
  const doubled = [
    [sent(text).headers[0], sent(other).headers[0]],
    [sent(text).headers[0], sent(`Bearer ${text}`, 'authorization').headers[0]],
  ]
  for (const headers of doubled) {
    await assert.rejects(provider.identify(request({ headers: headers.filter((line) => line !== undefined) })), InvalidIdentityError)
  }
  assert.equal(await provider.identify(request()), undefined)
  assert.equal(await provider.identify(sent('Bearer a.b.c', 'authorization')), undefined)
})

test('an expired key is refused to the millisecond; a revoked one when the short memory has passed, or at once without it', async () => {
  const { clock, keys, provider, strict } = house()
  const short = await issueApiKey(keys, { tenantId: bob.id, name: 'short', expiresAt: new Date(clock.now() + 1_000) })
  assert.ok(await provider.identify(sent(short.text)))
  clock.advance(1_000)
  await assert.rejects(provider.identify(sent(short.text)), InvalidIdentityError)

  const { text, key } = await issueApiKey(keys, { tenantId: bob.id, name: 'ci' })
  assert.ok(await provider.identify(sent(text)))
  await keys.revoke(bob.id, key.prefix)
  await assert.rejects(strict.identify(sent(text)), InvalidIdentityError)
  clock.advance(5_000)
  await assert.rejects(provider.identify(sent(text)), InvalidIdentityError)
})

test('a rotated key lives on for its grace, beside the new one', async () => {
  const { clock, keys, strict } = house()
  const old = await issueApiKey(keys, { tenantId: bob.id, name: 'ci', scopes: ['a'] })
  const next = await rotateApiKey(keys, { tenantId: bob.id, prefix: old.key.prefix, graceSec: 60 })
  assert.deepEqual((await strict.identify(sent(next.text)))?.scopes, ['a'])
  assert.ok(await strict.identify(sent(old.text)))
  clock.advance(60_000)
  await assert.rejects(strict.identify(sent(old.text)), InvalidIdentityError)
  assert.ok(await strict.identify(sent(next.text)))
})

test('last use is written off the path of the request, and at most once a minute', async () => {
  const { clock, keys } = house()
  const { text } = await issueApiKey(keys, { tenantId: bob.id, name: 'ci' })
  const touched: string[] = []
  let fail = true
  const provider = apiKey({
    clock,
    keys: {
      find: (prefix) => keys.find(prefix),
      touch: async (prefix) => {
        touched.push(prefix)
        if (fail) throw new Error('the store is slow today')
      },
    },
  })
  await provider.identify(sent(text))
  await turn()
  fail = false
  for (let time = 0; time < 10; time++) await provider.identify(sent(text))
  // The failed one was tried again; the others were within its minute.
  assert.equal(touched.length, 2)
  clock.advance(60_000)
  await provider.identify(sent(text))
  assert.equal(touched.length, 3)
})

test('concurrent requests with one key read it once', async () => {
  const { keys, clock } = house()
  const { text } = await issueApiKey(keys, { tenantId: bob.id, name: 'ci' })
  let reads = 0
  const counting = {
    find: async (prefix: string) => {
      reads += 1
      await turn()
      return keys.find(prefix)
    },
    touch: async () => {},
  }
  const provider = apiKey({ keys: counting, clock })
  await Promise.all(Array.from({ length: 20 }, () => provider.identify(sent(text))))
  assert.equal(reads, 1)
})

test('a key store that is down is a 503, never a 401', async () => {
  const provider = apiKey({ keys: { find: () => Promise.reject(new Error('down')), touch: async () => {} } })
  await assert.rejects(provider.identify(sent(`pw_${'a'.repeat(12)}_${'b'.repeat(43)}`)), IdentityUnavailableError)
  assert.throws(() => apiKey({ keys: new MemoryApiKeys(), cacheTtlMs: 3_600_000 }), ConfigurationError)
})
