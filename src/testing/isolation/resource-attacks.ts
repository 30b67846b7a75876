// Resources beside the database. Each says by itself how it is attacked and what would break it; what is registered is tried. The cache
// is the first.

import type { Json } from '../../core/tenant.ts'
import type { TenantCache } from '../../resources/cache/tenant-cache.ts'
import type { TestTenancy, TestTenant } from '../test-tenancy.ts'
import { type AttackWords, breached, held, type Verdict } from './attack.ts'

/** A resource that tenants share the store of: how to open one tenant's part, and what to try between two of them. */
export interface ResourceProbe {
  /** `cache`, `jobs`, … The ids of its attacks begin with it. */
  readonly name: string
  readonly attacks: readonly ResourceAttack[]
}

export interface ResourceAttack extends AttackWords {
  run(parties: Parties): Promise<Verdict>
  /** What would let it through, and the attack behind it. It must be breached. */
  readonly mutation: { readonly what: string; run(parties: Parties): Promise<Verdict> }
}

export interface Parties {
  readonly kit: TestTenancy
  readonly attacker: TestTenant
  readonly victim: TestTenant
}

interface Caches extends Parties {
  readonly mine: TenantCache
  readonly theirs: TenantCache
}

type Trick = (caches: Caches) => Promise<Json | undefined>

const namespace = 'kit'
const secret = 'secret of the victim in a cache'

/** Tries to get at what the victim keeps. Undefined, or a value of one's own, is what should come of it. */
const gets: readonly (readonly [id: string, tries: string, trick: Trick])[] = [
  ['same-key', 'the same key', ({ mine }) => mine.get(namespace, 'a')],
  ['split', 'a key that runs together with its namespace', ({ mine }) => mine.get('ki', 'ta')],
  [
    'separators',
    'a key with separators',
    ({ mine }) =>
      mine
        .get('', 'kit:a')
        .catch(() => mine.get('kit:', 'a').catch(() => undefined))
        .then((found) => found ?? mine.get(namespace, 'a')),
  ],
  [
    'tenant-in-key',
    'the victim’s id in the key',
    async ({ mine, victim }) => (await mine.get(`${victim.id}:${namespace}`, 'a')) ?? (await mine.get(namespace, 'a')),
  ],
  [
    'lengths',
    'a key that is written like a whole one of the store’s',
    async ({ mine, victim }) => (await mine.get(`36:${victim.id}1:1`, `1:13:kit1:a`)) ?? (await mine.get(namespace, 'a')),
  ],
  ['star', 'a star for a key', async ({ mine }) => (await mine.get(namespace, '*')) ?? (await mine.get(namespace, 'a'))],
  ['load', 'a load that finds the victim’s value', ({ mine }) => mine.getOrLoad(namespace, 'a', async () => 'own')],
  [
    'flight',
    'a load at the same moment as the victim’s',
    async ({ mine, theirs }) => {
      const [, found] = await Promise.all([
        theirs.getOrLoad(namespace, 'flight', async () => secret),
        mine.getOrLoad(namespace, 'flight', async () => 'own'),
      ])
      return found
    },
  ],
  [
    'after-clear',
    'a value that was there before one’s own was cleared',
    async ({ mine }) => {
      await mine.clear()
      return await mine.get(namespace, 'a')
    },
  ],
]

/** Tries to change what the victim keeps. */
const changes: readonly (readonly [id: string, tries: string, trick: (caches: Caches) => Promise<unknown>])[] = [
  ['overwrite', 'write under the victim’s key', ({ mine }) => mine.set(namespace, 'a', 'taken')],
  ['delete', 'delete the victim’s key', ({ mine }) => mine.delete(namespace, 'a')],
  ['clear', 'clear everything', ({ mine }) => mine.clear()],
  [
    'tags',
    'forget all with the victim’s tag',
    async ({ mine, theirs }) => {
      await theirs.set(namespace, 'a', secret, { tags: ['kit'] })
      await mine.invalidateTags(['kit'])
    },
  ],
  ['expire', 'write under it for a moment', ({ mine }) => mine.set(namespace, 'a', 'taken', { ttlMs: 1 })],
  [
    'poison',
    'load under the victim’s key before it does',
    async ({ mine, theirs }) => {
      await theirs.delete(namespace, 'a')
      await mine.getOrLoad(namespace, 'a', async () => 'taken')
      await theirs.getOrLoad(namespace, 'a', async () => secret)
    },
  ],
]

/** The cache of a tenancy. */
export const cacheProbe: ResourceProbe = {
  name: 'cache',
  attacks: [
    ...gets.map(([id, tries, trick]) =>
      attack(id, tries, async (caches) => ((await trick(caches)) === secret ? breached('the victim’s value came back') : held)),
    ),
    ...changes.map(([id, tries, trick]) =>
      attack(id, tries, async (caches) => {
        await trick(caches)
        const left = await caches.theirs.get(namespace, 'a')
        return left === secret ? held : breached(`the victim finds ${JSON.stringify(left)} where its own value was`)
      }),
    ),
  ],
}

function attack(id: string, tries: string, judge: (caches: Caches) => Promise<Verdict>): ResourceAttack {
  const run = async (parties: Parties, open: (tenant: TestTenant) => Promise<TenantCache>): Promise<Verdict> => {
    const caches = { ...parties, mine: await open(parties.attacker), theirs: await open(parties.victim) }
    await caches.theirs.set(namespace, 'a', secret)
    return await judge(caches)
  }
  return {
    id: `cache.${id}`,
    tries,
    run: (parties) => run(parties, (tenant) => tenant.run(() => parties.kit.tenancy.cache())),
    mutation: {
      what: 'both tenants are handed one cache, whose keys are put together without care and which is never cleared but by its owner',
      run: async (parties) => {
        const shared = carelessCache()
        return await run(parties, async ({ id: tenantId }) => shared(tenantId === parties.victim.id || id === 'clear' || id === 'tags'))
      },
    },
  }
}

/** A cache as it should not be. */
function carelessCache(): (isOwner: boolean) => TenantCache {
  const kept = new Map<string, Json>()
  const get = async <Value extends Json>(where: string, key: string) => kept.get(where + key) as Value | undefined
  return (isOwner) => ({
    get,
    set: async (where, key, value) => void kept.set(where + key, value),
    delete: async (where, key) => void kept.delete(where + key),
    getOrLoad: async <Value extends Json>(where: string, key: string, load: () => Promise<Value>) => {
      const found = (await get<Value>(where, key)) ?? (await load())
      if (!kept.has(where + key)) kept.set(where + key, found)
      return kept.get(where + key) as Value
    },
    invalidateTags: async () => void (isOwner && kept.clear()),
    clear: async () => void (isOwner && kept.clear()),
  })
}
