// Features that are one tenant's own, changed one by one, though the catalog keeps them as one object.

import { StaleTenantError, TenantNotFoundError } from '../errors.ts'
import type { Catalog } from './catalog.ts'
import type { Json, Tenant, TenantId } from './tenant.ts'

const attemptsMax = 10

/**
 * Sets features of a tenant alone, beside those that it has; null takes its own away, so that its plan's holds again.
 *
 * @throws {TenantNotFoundError} {@link InvalidInputError}
 */
export async function setOwnFeatures(
  catalog: Pick<Catalog, 'find' | 'update'>,
  id: TenantId,
  features: Readonly<Record<string, Json>>,
): Promise<Tenant> {
  for (let attempt = 1; ; attempt++) {
    const tenant = await catalog.find({ kind: 'id', id })
    if (tenant === undefined) throw new TenantNotFoundError(`There is no tenant ${id}.`)
    const merged = Object.entries({ ...tenant.ownFeatures, ...features }).filter(([, value]) => value !== null)
    try {
      return await catalog.update(id, { features: Object.fromEntries(merged) }, tenant.epoch)
    } catch (error) {
      // Somebody else changed the tenant in between: what they set must not be lost.
      if (!(error instanceof StaleTenantError) || attempt >= attemptsMax) throw error
    }
  }
}
