// What a plan means: a share of the pool, where its tenants live, and which features they have. Plans are the application's
// own: the catalog knows them by name.

import { ConfigurationError } from '../errors.ts'
import { deepFreeze } from './deep-freeze.ts'
import { type Isolation, isolations } from './placement.ts'
import type { Json, Tenant, TenantFeatures } from './tenant.ts'

/** One plan. */
export interface Plan {
  /** Share of the pool relative to other tenants. Default 1. */
  readonly weight?: number | undefined
  /** Where a tenant of this plan lives, unless its onboarding says otherwise. Default `pooled`. */
  readonly placement?: Isolation | undefined
  /** What a tenant of this plan has. The tenant's own features go before these. */
  readonly features?: (Partial<TenantFeatures> & Readonly<Record<string, Json>>) | undefined
}

/** The plans of an application, by name. A tenant of a plan that is not here has weight 1, lives pooled, and has its own features. */
export class Plans {
  readonly #plans: ReadonlyMap<string, Plan>

  /** @throws {ConfigurationError} when a plan cannot be. */
  constructor(plans: Readonly<Record<string, Plan>> = {}) {
    for (const [name, { weight, placement }] of Object.entries(plans)) {
      if (weight !== undefined && !(Number.isFinite(weight) && weight > 0)) {
        throw new ConfigurationError(`plans.${name}.weight is ${weight}; it must be a number above 0.`)
      }
      if (placement !== undefined && !isolations.includes(placement)) {
        throw new ConfigurationError(`plans.${name}.placement is ${JSON.stringify(placement)}; it may be ${isolations.join(', ')}.`)
      }
    }
    this.#plans = new Map(Object.entries(plans))
  }

  weightOf(plan: string): number {
    return this.#plans.get(plan)?.weight ?? 1
  }

  placementOf(plan: string): Isolation {
    return this.#plans.get(plan)?.placement ?? 'pooled'
  }

  /** The tenant with the features of its plan behind its own. */
  applyTo(tenant: Tenant): Tenant {
    const features = this.#plans.get(tenant.plan)?.features
    return features === undefined ? tenant : deepFreeze({ ...tenant, features: { ...features, ...tenant.features } })
  }
}
