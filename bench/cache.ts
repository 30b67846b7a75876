// What a cached read costs behind the wall: a hit in memory over the same value in the bare library below, parsed likewise; and a read of
// Redis over the bare client's, one at a time and many at once.

import { createClient } from '@redis/client'
import { LRUCache } from 'lru-cache'
import { MemoryCatalog } from '../src/core/memory-catalog.ts'
import { parseTenantSlug } from '../src/core/tenant.ts'
import { createTenantContext } from '../src/core/tenant-context.ts'
import { MemoryCacheStore } from '../src/resources/cache/memory-cache.ts'
import { redisCacheStore } from '../src/resources/cache/redis-cache.ts'
import { TenantCaches } from '../src/resources/cache/tenant-cache.ts'
import { redisServer } from '../test/support/redis.ts'
import type { BenchDatabase } from './database.ts'
import { quartiles } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'

const value = {
  title: 'Lease of the second floor',
  body: 'The tenant pays on the first of each month, in advance. '.repeat(16),
  tags: ['lease', 'floor', 'rent'],
  version: 7,
}
const keys = Array.from({ length: 1_000 }, (_, i) => `document-${i}`)

type Read = (key: string) => Promise<unknown>

export async function cache(_database: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  const after: (() => unknown)[] = []
  try {
    return await measure(options, (close) => void after.unshift(close))
  } finally {
    for (const close of after) await close()
  }
}

async function measure({ rounds }: RunOptions, after: (close: () => unknown) => void): Promise<BenchmarkResult> {
  const tenant = await new MemoryCatalog().create({ slug: parseTenantSlug('model'), name: 'Model' })
  const context = createTenantContext({ tenant })
  const text = JSON.stringify(value)

  const library = new LRUCache<string, string>({ max: 10_000 })
  for (const key of keys) library.set(key, text)
  const memory = new TenantCaches({ store: new MemoryCacheStore() }).for(context)
  for (const key of keys) await memory.set('documents', key, value)
  const memoryRatios = await compared(
    rounds,
    (key) => memory.get('documents', key),
    async (key) => JSON.parse(library.get(key)!),
    { count: 100_000, clients: 1 },
  )

  const server = await redisServer({ after })
  const bare = createClient({ url: server.url, RESP: 3 })
  await bare.connect()
  after(() => bare.close())
  for (const key of keys) await bare.set(key, text)
  const open = async (memoryEntriesMax: number) => {
    const store = await redisCacheStore({ url: server.url, memoryEntriesMax, tenantEntriesMax: 1_000_000_000 })
    after(() => store.close())
    const opened = new TenantCaches({ store }).for(context)
    for (const key of keys) await opened.set('documents', key, value)
    return opened
  }
  // Memory for the tenant's generation and not for what is read: each read asks the server, once.
  const [one, two] = [await open(10), await open(10_000)]
  const rival: Read = async (key) => JSON.parse((await bare.get(key))!)
  const redis: Record<string, readonly number[]> = {}
  for (const clients of [1, 16]) {
    const size = { count: 4_000, clients }
    redis[`redis, asked each time/bare client, ${clients} at once`] = await compared(
      rounds,
      (key) => one.get('documents', key),
      rival,
      size,
    )
    redis[`redis/bare client, ${clients} at once`] = await compared(rounds, (key) => two.get('documents', key), rival, size)
  }
  return {
    benchmark: 'cache',
    ratios: Object.fromEntries(
      Object.entries({ 'memory/bare library': memoryRatios, ...redis }).map(([name, ratios]) => [name, quartiles(ratios)]),
    ),
    notes: [`values of ${text.length} characters of JSON, ${keys.length} keys`],
  }
}

/** Reads per second of the subject over the rival's, round by round. */
async function compared(
  rounds: number,
  subject: Read,
  rival: Read,
  size: { readonly count: number; readonly clients: number },
): Promise<readonly number[]> {
  const ratios: number[] = []
  for (let round = -1; round < rounds; round++) {
    const first = await elapsed(round % 2 === 0 ? subject : rival, size)
    const second = await elapsed(round % 2 === 0 ? rival : subject, size)
    // The first warms both up.
    if (round >= 0) ratios.push(round % 2 === 0 ? second / first : first / second)
  }
  return ratios
}

async function elapsed(read: Read, { count, clients }: { readonly count: number; readonly clients: number }): Promise<number> {
  let left = count
  const loop = async () => {
    while (left-- > 0) if ((await read(keys[left % keys.length]!)) === undefined) throw new RangeError('A value was not there.')
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: clients }, loop))
  return performance.now() - start
}
