// Rings: who is migrated before whom. A ring begins when the one before it has ended; whoever is in none is in the last, `rest`.

import { type Isolation, isolations } from '../../core/placement.ts'
import type { Json, TenantRef } from '../../core/tenant.ts'
import { ConfigurationError } from '../../errors.ts'

/**
 * One ring. A place is in it when everything that is given fits; it is in the first ring that it fits.
 *
 * Shared tables belong to many tenants at once: `plans` and `tenants` never fit them, so that they come with a ring of
 * `isolations: ['pooled']`, or last. Places that wait for a tenant are always in the last.
 */
export interface Ring {
  /** Lower-case letters, digits and dashes; not `rest`. */
  readonly name: string
  readonly plans?: readonly string[] | undefined
  readonly regions?: readonly string[] | undefined
  readonly isolations?: readonly Isolation[] | undefined
  /** Looked for in the settings of the tenant and in the labels of its server: all of them, with these values. */
  readonly tags?: Readonly<Record<string, Json>> | undefined
  /** These, by id or slug. */
  readonly tenants?: readonly TenantRef[] | undefined
  /** Up to this share of all places, 1 to 100: always the same ones, so that a ring of 20 contains those of a ring of 5. */
  readonly percent?: number | undefined
}

/** How many places may fail before a run halts: of all, or of each ring. */
export type ErrorBudget = { readonly failuresMax: number } | { readonly failuresPercentMax: number }

/** The name of the last ring. */
export const restRing = 'rest'

export const budgetDefault: ErrorBudget = Object.freeze({ failuresMax: 10 })

const ringsMax = 50
const selectors = ['plans', 'regions', 'isolations', 'tags', 'tenants', 'percent'] as const

/** @throws {ConfigurationError} when a ring cannot be. @returns the rings, plain enough for JSON. */
export function checkedRings(rings: readonly Ring[]): readonly Ring[] {
  if (!Array.isArray(rings) || rings.length > ringsMax) throw new ConfigurationError(`rings must be a list of at most ${ringsMax}.`)
  const names = new Set<string>([restRing])
  return rings.map((ring: Ring) => {
    const refuse = (why: string): never => {
      throw new ConfigurationError(`The ring ${JSON.stringify(ring.name)} ${why}`)
    }
    if (typeof ring.name !== 'string' || !/^[a-z][a-z0-9-]{0,47}$/.test(ring.name))
      refuse('needs a name of lower-case letters, digits and dashes.')
    if (names.has(ring.name)) refuse('is there twice, or has the name of the last one.')
    names.add(ring.name)
    for (const key of Object.keys(ring)) if (key !== 'name' && !selectors.some((known) => known === key)) refuse(`has an unknown ${key}.`)
    if (selectors.every((key) => ring[key] === undefined)) refuse(`selects nobody: give one of ${selectors.join(', ')}.`)
    for (const key of ['plans', 'regions', 'isolations', 'tenants'] as const) {
      const list: unknown = ring[key]
      if (list !== undefined && !(Array.isArray(list) && list.every((item) => typeof item === 'string')))
        refuse(`has ${key} that are no list of texts.`)
    }
    for (const isolation of ring.isolations ?? [])
      if (!isolations.includes(isolation)) refuse(`knows no isolation ${JSON.stringify(isolation)}.`)
    const { percent, tags } = ring
    if (percent !== undefined && !(percent > 0 && percent <= 100)) refuse('has a percent that is not above 0 and at most 100.')
    if (tags !== undefined && (typeof tags !== 'object' || tags === null || Array.isArray(tags))) refuse('has tags that are no object.')
    return ring
  })
}

/** @throws {ConfigurationError} */
export function checkedBudget(budget: ErrorBudget): ErrorBudget {
  const [[key, value] = ['', Number.NaN]] = Object.entries<number>({ ...budget })
  const isCount = key === 'failuresMax' && Number.isInteger(value) && value >= 0
  const isShare = key === 'failuresPercentMax' && value >= 0 && value <= 100
  if (Object.keys(budget).length === 1 && (isCount || isShare)) return budget
  throw new ConfigurationError('An error budget is { failuresMax: a whole number } or { failuresPercentMax: 0 to 100 }.')
}
