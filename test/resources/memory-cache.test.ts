import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigurationError, OverloadedError } from '../../src/errors.ts'
import { scopedKey } from '../../src/resources/cache/cache.ts'
import { MemoryCacheStore } from '../../src/resources/cache/memory-cache.ts'
import { TenantCaches } from '../../src/resources/cache/tenant-cache.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { cacheConformance, contextOf } from './cache-conformance.ts'

cacheConformance('memory cache', async () => {
  const clock = new ManualClock()
  return { store: new MemoryCacheStore({ clock }), pass: async (ms) => clock.advance(ms) }
})

test('the memory cache is bounded by entries, by length and by tenants', async () => {
  const store = new MemoryCacheStore({ entriesMax: 10, lengthMax: 5_000, tenantsMax: 4 })
  const caches = new TenantCaches({ store })
  for (let index = 0; index < 100; index += 1) {
    await caches.for(contextOf('bob', index)).set('n', 'k', 'x'.repeat(index * 10))
    const { entries, length, tenants } = store.stats()
    assert.ok(entries <= 10 && length <= 5_000 && tenants <= 4)
  }
})

test('a tenant whose generation was dropped cannot find what it cleared before', async () => {
  const store = new MemoryCacheStore({ tenantsMax: 2 })
  const caches = new TenantCaches({ store })
  const bob = contextOf('bob', 1)
  await caches.for(bob).set('n', 'k', 'old')
  await caches.for(bob).clear()
  for (let index = 2; index < 10; index += 1) await caches.for(contextOf('other', index)).set('n', 'k', index)
  assert.equal(await caches.for(bob).get('n', 'k'), undefined)
})

test('loads under way are bounded', async () => {
  const caches = new TenantCaches({ store: new MemoryCacheStore(), loadsMax: 1 })
  const cache = caches.for(contextOf('bob', 1))
  let finish = () => {}
  const first = cache.getOrLoad('n', 'slow', () => new Promise<null>((resolve) => (finish = () => resolve(null))))
  await assert.rejects(
    cache.getOrLoad('n', 'other', async () => 1),
    OverloadedError,
  )
  finish()
  await first
  assert.equal(await cache.getOrLoad('n', 'other', async () => 1), 1)
})

test('without a key that a tenant’s handle has made, nothing is reached: the types refuse it, and it finds nothing', async () => {
  const store = new MemoryCacheStore()
  const caches = new TenantCaches({ store })
  await caches.for(contextOf('bob', 1)).set('documents', '1', 'of bob')
  // @ts-expect-error A plain text is no ScopedKey.
  assert.equal(await store.get('documents:1'), undefined)
  // @ts-expect-error A tenant's id alone opens no cache.
  assert.throws(() => caches.for('0190a0a0-0000-7000-8000-000000000001'), TypeError)
})

test('the tenant is in every key, also where generations are counted for each tenant apart', () => {
  const parts = { epoch: 1, generation: '1', namespace: 'n', key: 'k' }
  const [bob, carol] = [1, 2].map((number) => scopedKey({ ...parts, tenantId: contextOf('bob', number).tenant.id }))
  assert.notEqual(bob, carol)
})

test('one tenant fills its share, and no neighbour’s', async () => {
  const [bob, carol] = [contextOf('bob', 1), contextOf('carol', 10)]
  const store = new MemoryCacheStore({ entriesMax: 100, lengthMax: 100_000, tenantShare: 0.2 })
  const caches = new TenantCaches({ store })
  await caches.for(carol).set('n', 'k', 'of carol')
  for (let i = 0; i < 500; i++) await caches.for(bob).set('n', String(i), i)
  assert.equal(store.stats().entries, 21)
  assert.equal(await caches.for(bob).get('n', '499'), 499)
  assert.equal(await caches.for(bob).get('n', '1'), undefined)
  assert.equal(await caches.for(carol).get('n', 'k'), 'of carol')
  for (let i = 0; i < 500; i++) await caches.for(bob).set('n', String(i), 'x'.repeat(1_000))
  assert.ok(store.stats().length <= 20_000 + 200)
  // Longer than its whole share: not kept, and nothing is thrown out for it.
  await caches.for(bob).set('n', 'huge', 'x'.repeat(30_000))
  assert.equal(await caches.for(bob).get('n', 'huge'), undefined)
  assert.equal(await caches.for(carol).get('n', 'k'), 'of carol')
  assert.throws(() => new MemoryCacheStore({ tenantShare: 0 }), ConfigurationError)
})
