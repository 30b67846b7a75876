import assert from 'node:assert/strict'
import { test } from 'node:test'
import { v7 as uuidv7 } from 'uuid'
import { parseTenantId, parseTenantSlug, type Tenant } from '../../src/core/tenant.ts'
import {
  DatabaseUnavailableError,
  InvalidInputError,
  InvalidTenantRefError,
  OperationFailedError,
  OperationNotCancellableError,
  RegionMismatchError,
  TenantExistsError,
} from '../../src/errors.ts'
import { failing, memoryStage } from './stage.ts'

const acme = { slug: 'acme', name: 'Acme Ltd.' }
const bySlug = (slug: string) => ({ kind: 'slug' as const, slug: parseTenantSlug(slug) })
const down = new DatabaseUnavailableError('The server is down.')

test('an onboarded tenant has a place, an open gate and is active; every step was told and audited', async () => {
  const { operations, catalog, pooled, onProgress, events, audited } = memoryStage()
  const { operation, plan } = await operations.onboard(acme, { actor: { kind: 'staff', id: 'alice' }, reason: 'signed up', onProgress })
  assert.equal(operation?.state, 'done')
  const tenant = await catalog.find(bySlug('acme'))
  assert.equal(tenant?.status, 'active')
  assert.equal((await pooled.describe(tenant as Tenant)).gate, 'open')
  assert.deepEqual(
    plan.map(({ name }) => name),
    ['place', 'reserve', 'provision', 'open-gate', 'activate'],
  )
  assert.deepEqual(
    events.filter(({ kind }) => kind === 'step').map((event) => `${event.step} ${event.kind === 'step' ? event.state : ''}`),
    plan.flatMap(({ name }) => [`${name} started`, `${name} done`]),
  )
  assert.deepEqual(audited(), ['tenant.onboard allowed started', 'tenant.onboard allowed done'])
  assert.equal(events[0]?.tenantId, tenant?.id)
})

test('a dry run tells the steps and does nothing, not even in the journal', async () => {
  const { operations, catalog, pooled, journal, audited } = memoryStage()
  const report = await operations.onboard(acme, { dryRun: true })
  assert.equal(report.operation, undefined)
  assert.match(report.plan[0]?.description ?? '', /pooled/)
  assert.equal(await catalog.find(bySlug('acme')), undefined)
  assert.deepEqual([pooled.size, (await journal.list()).length, audited()], [0, 0, []])
  await operations.onboard(acme)
  await assert.rejects(operations.onboard(acme, { dryRun: true }), TenantExistsError)
})

test('the plan decides the isolation, and an explicit one goes before it', async () => {
  const { operations, catalog } = memoryStage()
  await operations.onboard({ ...acme, plan: 'pro' })
  await operations.onboard({ slug: 'globex', name: 'Globex', plan: 'pro', isolation: 'pooled' })
  assert.equal((await catalog.find(bySlug('acme')))?.placement.isolation, 'schema')
  assert.equal((await catalog.find(bySlug('globex')))?.placement.isolation, 'pooled')
})

test('what is malformed is refused before anything is begun', async () => {
  const { operations, journal } = memoryStage()
  await assert.rejects(operations.onboard({ slug: 'Not A Slug', name: 'x' }), InvalidTenantRefError)
  await assert.rejects(operations.onboard({ slug: 'acme', name: '' }), InvalidInputError)
  await assert.rejects(operations.onboard({ ...acme, isolation: 'cloud' as 'pooled' }), InvalidInputError)
  await assert.rejects(operations.onboard({ ...acme, seeds: ['unknown'] }), InvalidInputError)
  await assert.rejects(operations.onboard({ ...acme, nmae: 'x' } as typeof acme), InvalidInputError)
  await assert.rejects(operations.onboard({ ...acme, admin: { email: 'nobody' } }), InvalidInputError)
  await assert.rejects(operations.onboard({ ...acme, id: 'x' }), InvalidTenantRefError)
  assert.deepEqual(await journal.list(), [])
})

test('of two operators who take the same name at once, one gets it and the other leaves nothing behind', async () => {
  const { operations, catalog, pooled, journal } = memoryStage()
  const results = await Promise.allSettled([operations.onboard(acme), operations.onboard(acme)])
  assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  const refused = results.find((result) => result.status === 'rejected')
  assert.ok(refused?.reason instanceof TenantExistsError)
  assert.equal((await catalog.list()).tenants.length, 1)
  assert.equal(pooled.size, 1)
  assert.deepEqual((await journal.list()).map(({ state }) => state).sort(), ['cancelled', 'done'])
})

test('a region without a server refuses the tenant, and its name stays free', async () => {
  const { operations, catalog, pooled } = memoryStage()
  await assert.rejects(operations.onboard({ ...acme, region: 'mars' }), RegionMismatchError)
  assert.equal(pooled.size, 0)
  assert.equal(await catalog.find(bySlug('acme')), undefined)
  await operations.onboard(acme)
})

test('when the server goes down in the middle, a retry goes on and nothing is done twice', async () => {
  const stage = memoryStage()
  const planted: string[] = []
  const { operations, onProgress, events } = memoryStage({
    ...stage.options,
    placements: () => failing(stage.pooled, 'provision', down),
    seeds: [{ name: 'inbox', run: async (_scope, tenant) => void planted.push(tenant.slug) }],
    runSeed: async (_tenant, work) => await work({ query: async () => undefined }),
  })
  let id = ''
  await assert.rejects(operations.onboard(acme, { onProgress }), (error: OperationFailedError) => {
    assert.ok(error instanceof OperationFailedError)
    assert.equal(error.details['step'], 'provision')
    assert.equal(error.cause, down)
    assert.ok(error.retryable)
    id = String(error.details['id'])
    return true
  })
  assert.equal((await stage.catalog.find(bySlug('acme')))?.status, 'onboarding')
  assert.equal((await operations.get(id)).error?.code, 'PW_DATABASE_UNAVAILABLE')
  const before = events.length
  // A failed one is a person's to retry.
  assert.deepEqual(await operations.resumeAll(), [])
  const again = failing(stage.pooled, 'provision', down, 0)
  const second = memoryStage({ ...stage.options, placements: () => again, seeds: [], runSeed: undefined })
  const { operation } = await second.operations.retry(id, { onProgress })
  assert.equal(operation?.state, 'done')
  assert.equal(operation.attempt, 2)
  assert.ok(events.length > before - 1)
  assert.equal((await stage.catalog.find(bySlug('acme')))?.status, 'active')
})

test('a failed onboarding that is cancelled leaves nothing: no place, no row, no tombstone', async () => {
  const stage = memoryStage()
  const { operations } = memoryStage({ ...stage.options, hooks: { beforeOpen: async () => Promise.reject(down) } })
  const { id } = await operations.onboard(acme).then(
    () => assert.fail('it should have failed'),
    (error: OperationFailedError) => error.details as { id: string },
  )
  const cancelled = await operations.cancel(id, { reason: 'wrong customer' })
  assert.equal(cancelled.state, 'cancelled')
  assert.equal(stage.pooled.size, 0)
  assert.equal(await stage.catalog.find(bySlug('acme')), undefined)
  assert.ok(stage.audited().includes('tenant.onboard.cancel allowed started'))
  // The name and the id are free: nothing remembers it.
  await stage.operations.onboard({ ...acme, id: cancelled.tenantId })
  await assert.rejects(operations.cancel(id, { reason: 'again' }), OperationNotCancellableError)
})

test('once it is active an onboarding cannot be taken back', async () => {
  const stage = memoryStage()
  const { operations } = memoryStage({ ...stage.options, hooks: { onboarded: async () => Promise.reject(down) } })
  const { id } = await operations.onboard(acme).then(
    () => assert.fail('it should have failed'),
    (error: OperationFailedError) => error.details as { id: string },
  )
  assert.equal((await stage.catalog.find(bySlug('acme')))?.status, 'active')
  await assert.rejects(operations.cancel(id, { reason: 'too late' }), OperationNotCancellableError)
})

test('hooks, seeds and the first user come in their order; the key is handed out and never written down', async () => {
  const calls: string[] = []
  const { operations, journal } = memoryStage({
    hooks: {
      beforeOpen: async ({ status }) => void calls.push(`beforeOpen ${status}`),
      admin: async (_tenant, { email, name, apiKey }) => void calls.push(`admin ${email} ${name} ${apiKey}`),
      onboarded: async ({ status }) => void calls.push(`onboarded ${status}`),
    },
    seeds: [
      { name: 'one', sql: ['insert 1', 'insert 2'] },
      { name: 'two', run: async (scope) => void (await scope.query('insert 3')) },
      { name: 'other', sql: ['never'] },
    ],
    runSeed: async (tenant, work) => await work({ query: async (text) => void calls.push(`${tenant.slug} ${tenant.status} ${text}`) }),
    encryptionKey: async ({ id }) => `key of ${id.length}`,
    adminKeys: {
      issue: async () => ({ prefix: 'abc', text: 'pw_abc_secret' }),
      revokeNamed: async (_id, name) => void calls.push(`revoke ${name.split(' ')[0]}`),
    },
  })
  const { operation, handedOut } = await operations.onboard({ ...acme, seeds: ['one', 'two'], admin: { email: 'ann@acme.example' } })
  assert.deepEqual(calls, [
    'beforeOpen onboarding',
    'acme onboarding insert 1',
    'acme onboarding insert 2',
    'acme onboarding insert 3',
    'revoke Onboarding',
    'admin ann@acme.example ann@acme.example pw_abc_secret',
    'onboarded active',
  ])
  assert.deepEqual(handedOut, { apiKey: 'pw_abc_secret' })
  assert.doesNotMatch(JSON.stringify(await journal.find(operation?.id as never)), /pw_abc_secret/)
})

test('an id of the caller’s own makes a repeated call harmless: the tenant is made once', async () => {
  const { operations, catalog } = memoryStage()
  const id = parseTenantId(uuidv7())
  await operations.onboard({ ...acme, id })
  await assert.rejects(operations.onboard({ ...acme, id }), TenantExistsError)
  assert.equal((await catalog.list()).tenants.length, 1)
})

test('an onboarding that comes upon another’s tenant of the same id takes nothing of it down', async () => {
  const stage = memoryStage()
  const id = parseTenantId(uuidv7())
  await stage.operations.onboard({ ...acme, id })
  stage.pooled.fill(id, 'app.notes', 7)
  // Both looked before either wrote: the second one sees nothing until its row is refused.
  let looks = 0
  const late = memoryStage({
    ...stage.options,
    catalog: new Proxy(stage.catalog, {
      get: (catalog, name) => {
        const value: unknown = Reflect.get(catalog, name)
        if (typeof value !== 'function') return value
        if (name === 'find' && looks++ < 2) return async () => undefined
        return value.bind(catalog) as unknown
      },
    }),
  })
  await assert.rejects(late.operations.onboard({ slug: 'other', name: 'Other', id }), TenantExistsError)
  const tenant = (await stage.catalog.find(bySlug('acme'))) as Tenant
  const facts = await stage.pooled.describe(tenant)
  assert.deepEqual([tenant.status, facts.gate, facts.tables[0]?.rows], ['active', 'open', 7])
})
