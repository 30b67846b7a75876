// Against a real Redis.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { CacheUnavailableError, ConfigurationError } from '../../../src/errors.ts'
import { type RedisCacheOptions, redisAclOf, redisCacheStore } from '../../../src/resources/cache/redis-cache.ts'
import { TenantCaches } from '../../../src/resources/cache/tenant-cache.ts'
import { cacheConformance, contextOf } from '../../resources/cache-conformance.ts'
import { type RedisServer, redisServer } from '../../support/redis.ts'

const bob = contextOf('bob', 1)
const carol = contextOf('carol', 10)
const shared: { server?: RedisServer } = {}
let prefixes = 0

async function open(t: TestContext, server: RedisServer, options: Partial<RedisCacheOptions> = {}) {
  // Many places: none of these is to lose its own to another.
  const store = await redisCacheStore({ url: server.url, timeoutMs: 1_000, tenantEntriesMax: 1_000_000_000, ...options })
  t.after(() => store.close())
  return { store, caches: new TenantCaches({ store, ttlMs: 60_000 }) }
}

async function admin(t: TestContext, server: RedisServer) {
  const client = createClient({ url: server.url })
  client.on('error', () => {})
  await client.connect()
  t.after(() => client.destroy())
  return client
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'not within ten seconds')
    await wait(10)
  }
}

test('a Redis that all of these share', async () => {
  shared.server = await redisServer({ after: () => {} })
  assert.ok(shared.server.url)
})

for (const [name, memoryEntriesMax] of [
  ['Redis', 0],
  ['Redis behind a memory', 1_000],
] as const) {
  cacheConformance(name, async (t) => {
    prefixes += 1
    const { store } = await open(t, shared.server!, { memoryEntriesMax, prefix: `p${prefixes}` })
    return { store, pass: async (ms) => await wait(ms) }
  })
}

test('what one process changes, another does not remember', async (t) => {
  const here = await open(t, shared.server!, { prefix: 'two' })
  const there = await open(t, shared.server!, { prefix: 'two' })
  await here.caches.for(bob).set('n', 'k', 1)
  assert.equal(await there.caches.for(bob).get('n', 'k'), 1)
  await here.caches.for(bob).set('n', 'k', 2)
  await until(async () => (await there.caches.for(bob).get('n', 'k')) === 2)
  await here.caches.for(bob).clear()
  await until(async () => (await there.caches.for(bob).get('n', 'k')) === undefined)
})

test('a memory that is not told believes for its time and no longer; without a memory nothing is believed', async (t) => {
  const here = await open(t, shared.server!, { prefix: 'ttl', memoryTtlMs: 100 })
  await here.caches.for(bob).set('n', 'k', 1)
  assert.equal(await here.caches.for(bob).get('n', 'k'), 1)
  await (await admin(t, shared.server!)).sendCommand(['FLUSHALL'])
  await until(async () => (await here.caches.for(bob).get('n', 'k')) === undefined)
})

test('Redis is gone: what is read is loaded, what is changed says so, and it is told in microseconds', async (t) => {
  const server = await redisServer(t)
  const { caches } = await open(t, server)
  await caches.for(bob).set('n', 'k', 'old')
  await server.stop()
  await until(async () => (await caches.for(bob).get('n', 'k')) === undefined)
  assert.equal(await caches.for(bob).getOrLoad('n', 'k', async () => 'loaded'), 'loaded')
  await assert.rejects(caches.for(bob).set('n', 'k', 'x'), CacheUnavailableError)
  await assert.rejects(caches.for(bob).delete('n', 'k'), CacheUnavailableError)
  await assert.rejects(caches.for(bob).clear(), CacheUnavailableError)
  // Empty, where it was: nothing that it had comes back.
  await server.start()
  await until(async () => {
    await caches
      .for(carol)
      .set('n', 'k', 'new')
      .catch(() => {})
    return (await caches.for(carol).get('n', 'k')) === 'new'
  })
  assert.equal(await caches.for(bob).get('n', 'k'), undefined)
})

test('a generation that was lost is never one that was: cleared entries stay cleared', async (t) => {
  const { caches } = await open(t, shared.server!, { prefix: 'lost', memoryEntriesMax: 0 })
  await caches.for(bob).set('n', 'k', 'cleared')
  await caches.for(bob).clear()
  await (await admin(t, shared.server!)).del(`lost:{${bob.tenant.id}}:g`)
  assert.equal(await caches.for(bob).get('n', 'k'), undefined)
  await caches.for(bob).clear()
  assert.equal(await caches.for(bob).get('n', 'k'), undefined)
})

test('Redis hears and does not answer: nobody waits longer than for the timeout, and not again', async (t) => {
  const server = await redisServer(t)
  const { caches } = await open(t, server, { timeoutMs: 100, memoryEntriesMax: 0 })
  await caches.for(bob).set('n', 'k', 1)
  server.freeze()
  try {
    const startedAt = performance.now()
    for (let i = 0; i < 20; i++) assert.equal(await caches.for(bob).getOrLoad('n', 'k', async () => 2), 2)
    assert.ok(performance.now() - startedAt < 5_000)
  } finally {
    server.wake()
  }
  await until(async () => (await caches.for(bob).get('n', 'k')) === 1)
})

test('an entry under another tenant’s key is not served', async (t) => {
  const { caches } = await open(t, shared.server!, { prefix: 'mix', memoryEntriesMax: 0 })
  const client = await admin(t, shared.server!)
  await caches.for(bob).set('n', 'k', 'of bob')
  await caches.for(carol).set('n', 'k', 'of carol')
  const keyOf = async (id: string) => (await client.keys(`mix:{${id}}:*`)).find((key) => !key.endsWith(':g'))!
  await client.set(await keyOf(carol.tenant.id), (await client.get(await keyOf(bob.tenant.id)))!)
  await assert.rejects(caches.for(carol).get('n', 'k'), { code: 'PW_WRONG_TENANT' })
})

test('the keys say nothing of what is kept, and are a tenant’s by their beginning', async (t) => {
  const { caches } = await open(t, shared.server!, { prefix: 'opaque' })
  for (const key of ['salary', '*', '{x}', 'a\r\nb']) await caches.for(bob).set('people', key, 1)
  const keys = await (await admin(t, shared.server!)).keys('opaque:*')
  assert.equal(keys.length, 5)
  for (const key of keys) assert.match(key, new RegExp(`^opaque:\\{${bob.tenant.id}\\}:(g|\\d{1,9})$`))
})

test('a tenant has so many places, and what takes another’s is never mistaken for it', async (t) => {
  const { caches } = await open(t, shared.server!, { prefix: 'few', tenantEntriesMax: 10 })
  await caches.for(carol).set('n', 'k', 'of carol')
  for (let i = 0; i < 200; i++) await caches.for(bob).set('n', String(i), i)
  const client = await admin(t, shared.server!)
  assert.ok((await client.keys(`few:{${bob.tenant.id}}:*`)).length <= 11)
  const values = await Promise.all(Array.from({ length: 200 }, async (_, i) => [i, await caches.for(bob).get('n', String(i))]))
  const found = values.filter(([, value]) => value !== undefined)
  assert.ok(found.length > 0 && found.length <= 10)
  for (const [i, value] of found) assert.equal(value, i)
  assert.equal(await caches.for(carol).get('n', 'k'), 'of carol')
  await assert.rejects(redisCacheStore({ url: shared.server!.url, tenantEntriesMax: 0 }), ConfigurationError)
})

test('a tenant that is off-boarded leaves no key, and its neighbour all', async (t) => {
  const { store, caches } = await open(t, shared.server!, { prefix: 'purge' })
  for (let i = 0; i < 50; i++) for (const who of [bob, carol]) await caches.for(who).set('n', String(i), i)
  const purge = store.purgeStore()
  // What is asked is the tenant's id alone.
  const gone = bob.tenant as never
  assert.deepEqual(await purge.plan(gone), [{ kind: 'keys', where: 'redis', count: 51 }])
  assert.deepEqual(await purge.purge(gone, {}), [{ kind: 'keys', where: 'redis', count: 51 }])
  assert.deepEqual(await purge.verify(gone), [])
  assert.equal(await caches.for(carol).get('n', '7'), 7)
})

test('a user of one tenant’s keys is refused another’s by the server', async (t) => {
  const client = await admin(t, shared.server!)
  await client.sendCommand(['ACL', 'SETUSER', 'bob', ...redisAclOf(bob.tenant.id, { password: 'secret', prefix: 'acl' })])
  const server: RedisServer = { ...shared.server!, url: shared.server!.url.replace('redis://', 'redis://bob:secret@') }
  const { caches, store } = await open(t, server, { prefix: 'acl' })
  await caches.for(bob).set('n', 'k', 1)
  assert.equal(await caches.for(bob).get('n', 'k'), 1)
  await assert.rejects(caches.for(carol).set('n', 'k', 1), (error: CacheUnavailableError) => /NOPERM/.test(String(error.cause)))
  await assert.rejects(store.purgeStore().plan(carol.tenant as never), CacheUnavailableError)
})

test('what cannot be is refused', async () => {
  await assert.rejects(redisCacheStore({ url: shared.server!.url, prefix: 'a*' }), ConfigurationError)
  await assert.rejects(redisCacheStore({ url: 'redis://127.0.0.1:1' }), CacheUnavailableError)
  assert.throws(() => redisAclOf(bob.tenant.id, { password: 'x', prefix: '~*' }), ConfigurationError)
})

test('the shared Redis ends', async () => {
  await shared.server?.stop()
})
