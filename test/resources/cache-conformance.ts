// What every cache store promises, seen through the tenants' handles. Run by each adapter's test.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { mainPlacement } from '../../src/core/placement.ts'
import { type Json, parseTenantId, parseTenantSlug, type Tenant } from '../../src/core/tenant.ts'
import { createTenantContext, type TenantContext } from '../../src/core/tenant-context.ts'
import { InvalidInputError, WrongTenantError } from '../../src/errors.ts'
import type { CacheStore } from '../../src/resources/cache/cache.ts'
import { TenantCaches } from '../../src/resources/cache/tenant-cache.ts'

/** A store whose time the test moves. */
export interface CacheStoreUnderTest {
  readonly store: CacheStore
  pass(ms: number): Promise<void>
}

export function contextOf(name: string, number: number, epoch = 1): TenantContext {
  const tenant: Tenant = {
    id: parseTenantId(`0190a0a0-0000-7000-8000-${String(number).padStart(12, '0')}`),
    slug: parseTenantSlug(name),
    name,
    plan: 'free',
    region: 'default',
    placement: mainPlacement,
    version: undefined,
    parentId: undefined,
    status: 'active',
    features: {},
    ownFeatures: {},
    settings: {},
    domains: [],
    encryptionKeyId: undefined,
    keys: {},
    epoch,
    createdAt: new Date(0),
    updatedAt: new Date(0),
  }
  return createTenantContext({ tenant })
}

const bob = contextOf('bob', 1)
const carol = contextOf('carol', 10)

export function cacheConformance(name: string, makeStore: (t: TestContext) => Promise<CacheStoreUnderTest>): void {
  const promise = (sentence: string, fn: (caches: TenantCaches, subject: CacheStoreUnderTest) => Promise<void>) =>
    test(`${name}: ${sentence}`, async (t) => {
      const subject = await makeStore(t)
      await fn(new TenantCaches({ store: subject.store, ttlMs: 1_000 }), subject)
    })

  promise('a tenant reads what it wrote, its neighbour does not', async (caches) => {
    await caches.for(bob).set('documents', '1', { title: 'of bob' })
    await caches.for(carol).set('documents', '1', { title: 'of carol' })
    assert.deepEqual(await caches.for(bob).get('documents', '1'), { title: 'of bob' })
    assert.deepEqual(await caches.for(carol).get('documents', '1'), { title: 'of carol' })
    await caches.for(bob).set('documents', '2', 'only bob')
    assert.equal(await caches.for(bob).get('documents', '2'), 'only bob')
    assert.equal(await caches.for(carol).get('documents', '2'), undefined)
  })

  promise('no two lists of segments are one key, however hostile the text', async (caches) => {
    const cache = caches.for(bob)
    const pairs: [string, string][] = [
      ['a:b', 'c'],
      ['a', 'b:c'],
      ['a', '1:b1:c'],
      ['a1:b', 'c'],
      ['*', '*'],
      ['{tag}', '?'],
      ['__proto__', 'constructor'],
      ['ab', 'c\0'],
      ['a', 'bc\0'],
    ]
    for (const [namespace, key] of pairs) await cache.set(namespace, key, `${namespace}|${key}`)
    for (const [namespace, key] of pairs) assert.equal(await cache.get(namespace, key), `${namespace}|${key}`)
    // A tenant whose id or epoch continues in the next segment.
    await caches.for(contextOf('bob', 1, 11)).set('n', 'k', 'epoch 11')
    assert.equal(await caches.for(contextOf('bob', 1, 1)).get('n', 'k'), undefined)
  })

  promise('what comes out is a copy: nobody shares an object', async (caches) => {
    const value = { list: [1] }
    await caches.for(bob).set('n', 'k', value)
    value.list.push(2)
    const first = await caches.for(bob).get<{ list: number[] }>('n', 'k')
    assert.deepEqual(first, { list: [1] })
    first?.list.push(3)
    assert.deepEqual(await caches.for(bob).get('n', 'k'), { list: [1] })
    const [one, two] = await Promise.all([
      caches.for(bob).getOrLoad('n', 'loaded', async () => ({ list: [1] })),
      caches.for(bob).getOrLoad('n', 'loaded', async () => ({ list: [1] })),
    ])
    assert.notEqual(one, two)
  })

  promise('an entry ends with its time, its deletion, or a change of the tenant', async (caches, subject) => {
    const cache = caches.for(bob)
    await cache.set('n', 'short', 1, { ttlMs: 50 })
    await cache.set('n', 'usual', 2)
    await subject.pass(60)
    assert.equal(await cache.get('n', 'short'), undefined)
    assert.equal(await cache.get('n', 'usual'), 2)
    await cache.delete('n', 'usual')
    assert.equal(await cache.get('n', 'usual'), undefined)
    await cache.set('n', 'old', 3)
    assert.equal(await caches.for(contextOf('bob', 1, 2)).get('n', 'old'), undefined)
  })

  promise('clearing one tenant forgets all of it and nothing of another', async (caches) => {
    for (let index = 0; index < 20; index += 1) {
      await caches.for(bob).set('n', String(index), index)
      await caches.for(carol).set('n', String(index), index)
    }
    await caches.for(bob).clear()
    for (let index = 0; index < 20; index += 1) {
      assert.equal(await caches.for(bob).get('n', String(index)), undefined)
      assert.equal(await caches.for(carol).get('n', String(index)), index)
    }
    await caches.for(bob).set('n', '0', 'new')
    assert.equal(await caches.for(bob).get('n', '0'), 'new')
  })

  promise('a tag forgets what has it, of its tenant alone', async (caches) => {
    const [cache, other] = [caches.for(bob), caches.for(carol)]
    for (const each of [cache, other]) {
      await each.set('lists', 'a', 'a', { tags: ['project:1', 'user:1'] })
      await each.set('lists', 'b', 'b', { tags: ['project:2'] })
      await each.set('lists', 'c', 'c')
      assert.equal(await each.getOrLoad('lists', 'd', async () => 'd', { tags: ['project:1'] }), 'd')
    }
    const all = (of: typeof cache) => Promise.all(['a', 'b', 'c', 'd'].map((key) => of.get('lists', key)))
    assert.deepEqual(await all(cache), ['a', 'b', 'c', 'd'])
    await cache.invalidateTags(['project:1'])
    assert.deepEqual(await all(cache), [undefined, 'b', 'c', undefined])
    assert.deepEqual(await all(other), ['a', 'b', 'c', 'd'])
    await cache.set('lists', 'a', 'a again', { tags: ['project:1'] })
    assert.equal(await cache.get('lists', 'a'), 'a again')
    await assert.rejects(cache.set('n', 'k', 1, { tags: [''] }), InvalidInputError)
    await assert.rejects(
      cache.getOrLoad('n', 'k2', async () => 1, { tags: Array.from({ length: 17 }, String) }),
      InvalidInputError,
    )
    await assert.rejects(cache.invalidateTags(['\ud800']), InvalidInputError)
  })

  promise('what was loaded before its tag was invalidated is not served after it', async (caches) => {
    const cache = caches.for(bob)
    const gate = Promise.withResolvers<string>()
    const begun = Promise.withResolvers<void>()
    const early = cache.getOrLoad(
      'n',
      'k',
      async () => {
        begun.resolve()
        return await gate.promise
      },
      { tags: ['t'] },
    )
    await begun.promise
    await cache.invalidateTags(['t'])
    assert.equal(await cache.getOrLoad('n', 'k', async () => 'new', { tags: ['t'] }), 'new')
    gate.resolve('old')
    assert.equal(await early, 'old')
    assert.equal(await cache.get('n', 'k'), 'new')
  })

  promise('many who ask at once are one load for each tenant', async (caches) => {
    const loads: string[] = []
    const load = (owner: string) => async () => {
      loads.push(owner)
      return owner
    }
    const asked = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 ? caches.for(bob).getOrLoad('n', 'k', load('bob')) : caches.for(carol).getOrLoad('n', 'k', load('carol')),
      ),
    )
    assert.ok(asked.every((value, index) => value === (index % 2 ? 'bob' : 'carol')))
    assert.deepEqual(loads.sort(), ['bob', 'carol'])
    assert.equal(await caches.for(bob).getOrLoad('n', 'k', load('again')), 'bob')
  })

  promise('a failed load reaches all who asked and is not remembered', async (caches) => {
    const failing = () => caches.for(bob).getOrLoad('n', 'k', () => Promise.reject(new InvalidInputError('no')))
    const throwing = () =>
      caches.for(bob).getOrLoad('n', 'k', () => {
        throw new InvalidInputError('no')
      })
    const outcomes = await Promise.allSettled([failing(), failing(), throwing()])
    assert.ok(outcomes.every((outcome) => outcome.status === 'rejected'))
    await assert.rejects(throwing(), InvalidInputError)
    assert.equal(await caches.for(bob).getOrLoad('n', 'k', async () => 'good'), 'good')
  })

  for (const [what, change] of [
    ['clear', (caches: TenantCaches) => caches.for(bob).clear()],
    ['delete', (caches: TenantCaches) => caches.for(bob).delete('n', 'k')],
    ['set', (caches: TenantCaches) => caches.for(bob).set('n', 'k', 'new')],
  ] as const) {
    promise(`what was loaded before a ${what} is not served after it`, async (caches) => {
      let loaded = (_value: string) => {}
      let begun = () => {}
      const begin = new Promise<void>((resolve) => {
        begun = resolve
      })
      const early = caches.for(bob).getOrLoad('n', 'k', () => {
        begun()
        return new Promise<string>((resolve) => {
          loaded = resolve
        })
      })
      await begin
      await change(caches)
      loaded('old')
      assert.equal(await early, 'old')
      assert.equal(await caches.for(bob).getOrLoad('n', 'k', async () => 'new'), 'new')
    })
  }

  promise('a key that is none, a value that is none and a time that is none are refused', async (caches) => {
    const cache = caches.for(bob)
    for (const key of ['', 'x'.repeat(513), '\ud800', 7 as unknown as string, undefined as unknown as string]) {
      await assert.rejects(cache.set('n', key, 1), InvalidInputError)
      await assert.rejects(cache.get(key, 'k'), InvalidInputError)
      await assert.rejects(
        cache.getOrLoad('n', key, async () => 1),
        InvalidInputError,
      )
    }
    await assert.rejects(cache.set('n', 'k', undefined as unknown as Json), InvalidInputError)
    await assert.rejects(cache.set('n', 'k', 'x'.repeat(1_000_001)), InvalidInputError)
    for (const ttlMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      await assert.rejects(cache.set('n', 'k', 1, { ttlMs }), InvalidInputError)
  })

  promise('a store that answers with a neighbour’s entry is not believed', async (_caches, { store }) => {
    const confused: CacheStore = {
      get: async () => ({ tenantId: carol.tenant.id, key: 'k' as never, text: '"of carol"' }),
      set: (entry, ttlMs) => store.set(entry, ttlMs),
      delete: (key) => store.delete(key),
      generation: (tenantId) => store.generation(tenantId),
      advance: (tenantId) => store.advance(tenantId),
    }
    const caches = new TenantCaches({ store: confused })
    await assert.rejects(caches.for(bob).get('n', 'k'), WrongTenantError)
    await assert.rejects(
      caches.for(bob).getOrLoad('n', 'k', async () => 'x'),
      WrongTenantError,
    )
  })
}
