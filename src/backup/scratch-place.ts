// A throw-away place for rows that are to be looked at: a tenant that is never opened, in a database of its own. Its status stays
// `onboarding`, so that nobody can be served from it, and taking it back leaves no tombstone and no name that is taken.

import { randomBytes } from 'node:crypto'
import { v7 as uuidv7 } from 'uuid'
import type { Isolation } from '../core/placement.ts'
import type { PlacedTenant } from '../core/placement-adapter.ts'
import { parseTenantId, parseTenantSlug, type Tenant, type TenantKeys } from '../core/tenant.ts'
import type { BackupParts } from './backup-parts.ts'

export interface ScratchOptions {
  /** Where the place is. */
  readonly region: string
  /** Types of keys that its tables need: the tenant of the rows has them. */
  readonly keys: TenantKeys
  /** Default `database`. */
  readonly isolation?: Isolation | undefined
  readonly signal?: AbortSignal | undefined
}

type Parts = Pick<BackupParts, 'catalog' | 'placements' | 'clock'>

/** Every throw-away tenant's slug begins so. */
const slugPrefix = 'scratch-'
/** So long no verification takes: what is older was left by a process that was killed. */
const leftoverMs = 86_400_000

/** Makes the place, runs `fn`, and removes it, also when `fn` throws. What killed processes left is removed first. */
export async function withScratchPlace<T>(parts: Parts, options: ScratchOptions, fn: (place: PlacedTenant) => Promise<T>): Promise<T> {
  await removeLeftovers(parts)
  const { catalog } = parts
  const adapter = parts.placements(options.isolation ?? 'database')
  const id = parseTenantId(uuidv7({ msecs: parts.clock.now() }))
  const keys = ownKeys(options.keys)
  const placement = await adapter.place({ id, region: options.region })
  const place: PlacedTenant = { id, region: options.region, keys, placement }
  try {
    const slug = parseTenantSlug(`${slugPrefix}${id.replaceAll('-', '')}`)
    await catalog.create({ id, slug, name: 'Throw-away', region: options.region, keys, placement, status: 'onboarding' })
    await adapter.provision(place, options.signal)
    return await fn(place)
  } finally {
    await remove(parts, place)
  }
}

/** Keys that nobody else has: the rows become this tenant's, and no other's. */
function ownKeys({ bigint, text }: TenantKeys): TenantKeys {
  return {
    // Negative, since an application's own numbers are not.
    ...(bigint !== undefined && { bigint: (-1n - (randomBytes(8).readBigUInt64BE() >> 1n)).toString() }),
    ...(text !== undefined && { text: `${slugPrefix}${randomBytes(16).toString('hex')}` }),
  }
}

async function remove({ catalog, placements }: Parts, place: PlacedTenant): Promise<void> {
  await placements(place.placement.isolation).drop(place, { pauseMs: 0 })
  const found = await catalog.find({ kind: 'id', id: place.id })
  if (found?.status === 'onboarding') await catalog.discard(place.id)
}

async function removeLeftovers(parts: Parts): Promise<void> {
  const before = parts.clock.now() - leftoverMs
  const isLeft = ({ slug, createdAt }: Tenant): boolean => slug.startsWith(slugPrefix) && createdAt.getTime() < before
  const { tenants } = await parts.catalog.list({ status: 'onboarding', limit: 1_000 })
  for (const { id, region, keys, placement } of tenants.filter(isLeft)) await remove(parts, { id, region, keys, placement })
}
