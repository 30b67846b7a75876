import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTenantSlug } from '../../src/core/tenant.ts'
import { InvalidInputError, InvalidTenantRefError, TenantExistsError, TenantNotFoundError } from '../../src/errors.ts'
import { memoryStage } from './stage.ts'

const bySlug = (slug: string) => ({ kind: 'slug' as const, slug: parseTenantSlug(slug) })

test('a renamed tenant is found by its new name and no longer by the old one', async () => {
  const { operations, catalog } = memoryStage()
  const { operation } = await operations.onboard({ slug: 'acme', name: 'Acme' })
  await operations.rename('acme', { slug: 'apex', name: 'Apex' })
  const tenant = await catalog.find(bySlug('apex'))
  assert.deepEqual([tenant?.id, tenant?.name], [operation?.tenantId, 'Apex'])
  assert.equal(await catalog.find(bySlug('acme')), undefined)
})

test('a name that is taken is refused, and the tenant is free for the next operation at once', async () => {
  const { operations, catalog, audited } = memoryStage()
  await operations.onboard({ slug: 'acme', name: 'Acme' })
  await operations.onboard({ slug: 'globex', name: 'Globex' })
  await assert.rejects(operations.rename('acme', { slug: 'globex' }), TenantExistsError)
  assert.equal((await catalog.find(bySlug('acme')))?.name, 'Acme')
  assert.equal(audited().at(-1), 'tenant.rename allowed cancelled')
  await operations.rename('acme', { name: 'Acme Ltd.' })
  assert.equal((await catalog.find(bySlug('acme')))?.name, 'Acme Ltd.')
})

test('nothing to rename, no slug, no such tenant: refused by name', async () => {
  const { operations } = memoryStage()
  await operations.onboard({ slug: 'acme', name: 'Acme' })
  await assert.rejects(operations.rename('acme', {}), InvalidInputError)
  await assert.rejects(operations.rename('acme', { slug: 'ACME' }), InvalidTenantRefError)
  await assert.rejects(operations.rename('nowhere', { name: 'x' }), TenantNotFoundError)
})
