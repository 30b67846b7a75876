import assert from 'node:assert/strict'
import { test } from 'node:test'
import { path } from '../../src/core/hints.ts'
import type { ParsedTenantRef } from '../../src/core/tenant.ts'
import { ConfigurationError, InvalidIdentityError, OverloadedError, TenantBusyError } from '../../src/errors.ts'
import { MemoryReplays, signWebhook, type WebhookEndpoint, webhook } from '../../src/identity/webhook.ts'
import { bob, carol, request } from '../support/door-cast.ts'
import { ManualClock } from '../support/manual-clock.ts'

const bobs = "bob's webhook secret, 32 characters and more"
const carols = "carol's webhook secret, 32 characters and more"
const next = "bob's next webhook secret, 32 characters and more"

const endpoints = new Map<string, WebhookEndpoint>([
  ['bob', { tenantId: bob.id, secrets: [bobs, next] }],
  [bob.id, { tenantId: bob.id, secrets: [bobs, next] }],
  ['carol', { tenantId: carol.id, secrets: [carols] }],
])
const find = (ref: ParsedTenantRef) => endpoints.get(ref.kind === 'id' ? ref.id : ref.slug)

function house() {
  const clock = new ManualClock()
  const nowSec = clock.now() / 1000
  const provider = webhook({ endpoint: path('/webhooks/:tenant'), find, clock })
  const post = (slug: string, signature: string, body = '{"event":1}') =>
    provider.identify(request({ target: `/webhooks/${slug}`, headers: [['webhook-signature', signature]], body }))
  return { clock, nowSec, provider, post }
}

const sign = (secret: string, timestampSec: number, body = '{"event":1}') => signWebhook({ secret, timestampSec, body })

test("a webhook signed with the tenant's secret speaks for that tenant", async () => {
  const { nowSec, post } = house()
  assert.deepEqual(await post('bob', sign(bobs, nowSec)), {
    actor: { kind: 'service', id: 'webhook' },
    memberships: [{ kind: 'id', id: bob.id }],
    method: 'webhook',
  })
})

test("another tenant's secret, another body, another time, an unknown endpoint are refused", async () => {
  const { nowSec, post } = house()
  await assert.rejects(post('carol', sign(bobs, nowSec)), InvalidIdentityError)
  await assert.rejects(post('bob', sign(bobs, nowSec), '{"event":2}'), InvalidIdentityError)
  await assert.rejects(post('bob', sign(bobs, nowSec).replace(String(nowSec), String(nowSec + 1))), InvalidIdentityError)
  await assert.rejects(post('unheard-of', sign(bobs, nowSec)), InvalidIdentityError)
  await assert.rejects(post('unheard-of', sign('no tenant has this secret, but the work is the same', nowSec)), InvalidIdentityError)
})

test('a webhook is good within its time window, and once', async () => {
  const { nowSec, post } = house()
  await assert.rejects(post('bob', sign(bobs, nowSec - 301)), InvalidIdentityError)
  await assert.rejects(post('bob', sign(bobs, nowSec + 301)), InvalidIdentityError)
  assert.ok(await post('bob', sign(bobs, nowSec - 299)))
  await assert.rejects(post('bob', sign(bobs, nowSec - 299)), InvalidIdentityError)
})

test('a message is received once, whichever of two secrets and whichever name of the endpoint is used', async () => {
  const { nowSec, post } = house()
  const both = `${sign(bobs, nowSec)},${sign(next, nowSec).slice(sign(next, nowSec).indexOf('v1='))}`
  assert.ok(await post('bob', both))
  for (const slug of ['bob', bob.id]) {
    for (const secret of [bobs, next]) await assert.rejects(post(slug, sign(secret, nowSec)), InvalidIdentityError)
  }
})

test('malformed signatures are refused', async () => {
  const { nowSec, post } = house()
  const good = sign(bobs, nowSec)
  const [t, v1] = good.split(',')
  const bad = [
    '',
    t,
    v1,
    `${t},${t},${v1}`,
    `${t},v1=${'0'.repeat(64)}`,
    `${t},${v1}0`,
    `t=-1,${v1}`,
    `t=1e9,${v1}`,
    `t=0x1,${v1}`,
    `${t},${Array(9).fill(v1).join(',')}`,
    `t=NaN,${v1}`,
  ]
  for (const signature of bad) await assert.rejects(post('bob', signature ?? ''), InvalidIdentityError, signature)
})

test('a signature elsewhere than at an endpoint is no credential', async () => {
  const { nowSec, provider } = house()
  const elsewhere = request({ target: '/api/documents', headers: [['webhook-signature', sign(bobs, nowSec)]], body: '{"event":1}' })
  assert.equal(provider.readsBody?.(elsewhere), false)
  assert.equal(await provider.identify(elsewhere), undefined)
})

test('the memory of messages is bounded for each tenant and in all; full means refused, and time empties it', () => {
  const clock = new ManualClock()
  const replays = new MemoryReplays({ clock, perTenantMax: 2, totalMax: 3 })
  const until = clock.now() + 10_000
  assert.ok(replays.claim(bob.id, 'a', until))
  assert.ok(replays.claim(bob.id, 'b', until))
  assert.throws(() => replays.claim(bob.id, 'c', until), TenantBusyError)
  assert.ok(replays.claim(carol.id, 'a', until), 'a tenant that floods leaves room')
  assert.throws(() => replays.claim(carol.id, 'b', until), OverloadedError)
  clock.advance(10_000)
  assert.ok(replays.claim(bob.id, 'c', until + 10_000))
})

test('short secrets are refused', async () => {
  const provider = webhook({
    endpoint: path('/webhooks/:tenant'),
    find: () => ({ tenantId: bob.id, secrets: ['short'] }),
    clock: new ManualClock(),
  })
  const nowSec = new ManualClock().now() / 1000
  const post = request({ target: '/webhooks/bob', headers: [['webhook-signature', sign('short', nowSec)]], body: '{"event":1}' })
  await assert.rejects(provider.identify(post), ConfigurationError)
})
