// Plans: weight, placement, and the features that stand behind a tenant's own.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryCatalog } from '../../src/core/memory-catalog.ts'
import { PlannedCatalog } from '../../src/core/planned-catalog.ts'
import { Plans } from '../../src/core/plans.ts'
import { parseTenantSlug } from '../../src/core/tenant.ts'
import { ConfigurationError } from '../../src/errors.ts'
import { stage } from '../support/cast.ts'
import { catalogConformance } from './catalog-conformance.ts'

const plans = new Plans({ team: { weight: 2, placement: 'schema', features: { search: true, seats: 5 } } })

catalogConformance('catalog with plans', async () => new PlannedCatalog(new MemoryCatalog(), new Plans()))

test('a plan says its weight and its placement; one that is not known is light and pooled', () => {
  assert.deepEqual([plans.weightOf('team'), plans.placementOf('team')], [2, 'schema'])
  assert.deepEqual([plans.weightOf('free'), plans.placementOf('free')], [1, 'pooled'])
})

test('a plan that cannot be is refused', () => {
  for (const weight of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) assert.throws(() => new Plans({ a: { weight } }), ConfigurationError)
  assert.throws(() => new Plans({ a: { placement: 'cloud' as 'pooled' } }), ConfigurationError)
})

test('a tenant’s own features go before those of its plan, which it does not own', async () => {
  const catalog = new PlannedCatalog(new MemoryCatalog(), plans)
  const slug = parseTenantSlug('bob')
  const bob = await catalog.create({ slug, name: 'Bob', plan: 'team', features: { seats: 50 } })
  assert.deepEqual([bob.features, bob.ownFeatures], [{ search: true, seats: 50 }, { seats: 50 }])
  const found = await catalog.find({ kind: 'slug', slug })
  assert.deepEqual(found?.features, { search: true, seats: 50 })
  assert.ok(Object.isFrozen(found?.features))
  assert.deepEqual((await catalog.list()).tenants[0]?.features, { search: true, seats: 50 })
  assert.deepEqual((await catalog.update(bob.id, { plan: 'free' })).features, { seats: 50 })
})

test('features set by two at once are all there, null takes one back, and the next request sees it', async (t) => {
  const { tenancy } = await stage(t, { plans: { free: { features: { search: false, seats: 3 } } } })
  const flags = Array.from({ length: 5 }, (_, index) => ({ [`flag${index}`]: true }))
  await Promise.all(flags.map((flag) => tenancy.tenants.setFeatures('bob', flag)))
  await tenancy.tenants.setFeatures('bob', { search: true })
  const seen = await tenancy.run('bob', ({ tenant }) => tenant.features)
  assert.deepEqual(seen, { search: true, seats: 3, ...Object.assign({}, ...flags) })
  await tenancy.tenants.setFeatures('bob', { search: null })
  assert.equal((await tenancy.run('bob', ({ tenant }) => tenant.features))['search'], false)
  assert.deepEqual(await tenancy.run('carol', ({ tenant }) => tenant.features), { search: false, seats: 3 })
})
