// What the context itself costs, and whether memory stays bounded: 1,000,000 requests of 100,000 tenants through the scope, the
// directory and the fair queue, with a catalog that answers from memory and no database.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { TenantLookup } from '../src/core/catalog.ts'
import { FairQueue } from '../src/core/fair-queue.ts'
import { MemoryAuditTrail } from '../src/core/memory-audit-trail.ts'
import { MemoryCatalog } from '../src/core/memory-catalog.ts'
import { parseTenantId, parseTenantSlug, type Tenant, type TenantId } from '../src/core/tenant.ts'
import { createTenantContext, TenantScope } from '../src/core/tenant-context.ts'
import { TenantDirectory } from '../src/core/tenant-directory.ts'
import { quartiles, seeded } from './quartiles.ts'
import type { BenchmarkResult } from './rounds.ts'

const tenantCount = 100_000
const requestCount = 1_000_000
const concurrency = 64

/** Knows every tenant by its id, and keeps none: what memory grows is not the catalog's. */
class ManyTenants extends MemoryCatalog {
  readonly #model: Tenant

  constructor(model: Tenant) {
    super()
    this.#model = model
  }

  override async find(lookup: TenantLookup): Promise<Tenant | undefined> {
    return lookup.kind === 'id' ? { ...this.#model, id: lookup.id } : undefined
  }
}

export async function context(): Promise<BenchmarkResult> {
  const model = await new MemoryCatalog().create({ slug: parseTenantSlug('model'), name: 'Model' })
  const catalog = new ManyTenants(model)
  const ids = Array.from({ length: tenantCount }, (_, i) => parseTenantId(`00000000-0000-7000-8000-${i.toString(16).padStart(12, '0')}`))
  const scope = new TenantScope(new MemoryAuditTrail())
  const directory = await TenantDirectory.open({ catalog })
  const queue = new FairQueue({ slots: 10 })
  const enterNs = await measureEntering(scope, directory, ids)
  const random = seeded(1)
  const request = async (): Promise<void> => {
    const tenant = await directory.get(ids[Math.floor(random() * tenantCount)]!)
    await scope.run(createTenantContext({ tenant }), async () => {
      const { id } = scope.current().tenant
      const slot = queue.tryAcquire(id) ?? (await queue.acquire(id))
      await Promise.resolve()
      slot.release()
    })
  }
  // Caches fill up to their bounds first: what grows after that, grows for ever.
  await repeat(request, tenantCount)
  const before = heapUsed()
  await repeat(request, requestCount)
  const after = heapUsed()
  queue.close()
  await directory.close()
  const { tenants, idleTenants } = queue.stats()
  return {
    benchmark: 'context',
    ratios: { 'run+current/1µs': quartiles(enterNs.map((ns) => ns / 1_000)), 'heap-after/heap-before': quartiles([after / before]) },
    notes: [
      `run + current: ${quartiles(enterNs).median.toFixed(0)} ns; heap ${mebibytes(before)} → ${mebibytes(after)} MiB over ${requestCount} requests`,
      `the queue remembers ${tenants} tenants, ${idleTenants} of them idle`,
    ],
  }
}

/** Nanoseconds of `run` with one `current` inside, over rounds. */
async function measureEntering(scope: TenantScope, directory: TenantDirectory, ids: readonly TenantId[]): Promise<readonly number[]> {
  const context = createTenantContext({ tenant: await directory.get(ids[0]!) })
  const rounds: number[] = []
  for (let round = 0; round < 25; round++) {
    const count = 200_000
    let found = 0
    const start = performance.now()
    for (let i = 0; i < count; i++) scope.run(context, () => (found += scope.current() === context ? 1 : 0))
    const elapsedMs = performance.now() - start
    if (found !== count) throw new RangeError('The context was lost.')
    if (round >= 5) rounds.push((elapsedMs * 1e6) / count)
  }
  return rounds
}

async function repeat(request: () => Promise<void>, count: number): Promise<void> {
  let left = count
  const loop = async (): Promise<void> => {
    while (left-- > 0) await request()
  }
  await Promise.all(Array.from({ length: concurrency }, loop))
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let i = 0; i < 3; i++) collect()
  return process.memoryUsage().heapUsed
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1)
}
