import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTenantSlug } from '../../src/core/tenant.ts'
import { InvalidInputError } from '../../src/errors.ts'
import type { PlanComparison } from '../../src/operations/change-plan.ts'
import type { OperationReport } from '../../src/operations/operations.ts'
import { memoryStage } from './stage.ts'

const acme = { kind: 'slug' as const, slug: parseTenantSlug('acme') }
const comparison = ({ operation }: OperationReport) => operation?.steps['compare']?.output as unknown as PlanComparison

test('a change of plan tells what it would move, and moves nothing', async () => {
  const { operations, catalog } = memoryStage()
  await operations.onboard({ slug: 'acme', name: 'Acme' })
  const dry = await operations.changePlan('acme', 'pro', { dryRun: true })
  assert.match(dry.plan[0]?.description ?? '', /schema/)
  assert.equal((await catalog.find(acme))?.plan, 'free')
  const found = comparison(await operations.changePlan('acme', 'pro'))
  assert.deepEqual({ ...found, note: '' }, { from: 'free', to: 'pro', isolation: 'pooled', wanted: 'schema', isElsewhere: true, note: '' })
  assert.match(found.note, /does not move/)
  const tenant = await catalog.find(acme)
  assert.deepEqual([tenant?.plan, tenant?.placement.isolation], ['pro', 'pooled'])
})

test('a plan with the same placement has nothing to move; a word that is no plan is refused', async () => {
  const { operations, catalog } = memoryStage()
  await operations.onboard({ slug: 'acme', name: 'Acme' })
  assert.equal(comparison(await operations.changePlan('acme', 'basic')).isElsewhere, false)
  await assert.rejects(operations.changePlan('acme', 'No Plan'), InvalidInputError)
  assert.equal((await catalog.find(acme))?.plan, 'basic')
})
