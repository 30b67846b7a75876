import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { parseTenantSlug, type Tenant } from '../../src/core/tenant.ts'
import {
  ConfigurationError,
  DatabaseUnavailableError,
  InvalidInputError,
  OperationFailedError,
  OperationInProgressError,
  OperationNotCancellableError,
  PurgeIncompleteError,
  TenantExistsError,
} from '../../src/errors.ts'
import { cachePurgeStore } from '../../src/operations/cache-purge-store.ts'
import { certificateKeySet } from '../../src/operations/certificate-key.ts'
import type { Operation } from '../../src/operations/journal.ts'
import type { OperationEvent } from '../../src/operations/operation-event.ts'
import { type SignedCertificate, verifyCertificate } from '../../src/operations/purge-certificate.ts'
import type { PurgeStore } from '../../src/operations/purge-store.ts'
import { secretPurgeStore } from '../../src/operations/secret-purge-store.ts'
import { MemoryCacheStore } from '../../src/resources/cache/memory-cache.ts'
import { failing, memoryStage } from './stage.ts'

const acme = { kind: 'slug' as const, slug: parseTenantSlug('acme') }
const reason = 'contract ended'
const dayMs = 86_400_000

async function withAcme(change: Parameters<typeof memoryStage>[0] = {}) {
  const stage = memoryStage(change)
  const { operation } = await stage.operations.onboard({ slug: 'acme', name: 'Acme', settings: { contact: 'ann@acme.example' } })
  const id = operation?.tenantId as Tenant['id']
  stage.pooled.fill(id, 'app.notes', 12_345)
  return { ...stage, id }
}

const certificateOf = (operation: Operation | undefined) => operation?.steps['certify']?.output as unknown as SignedCertificate

test('an off-boarded tenant is closed at once and waits for thirty days; nothing is gone yet', async () => {
  const { operations, catalog, pooled, clock, id } = await withAcme()
  const { operation, plan } = await operations.offboard('acme', { reason })
  assert.equal(operation?.state, 'waiting')
  assert.equal(operation.wakeAt?.getTime(), clock.now() + 30 * dayMs)
  assert.equal(plan.find(({ name }) => name === 'grace')?.waitMs, 30 * dayMs)
  const tenant = (await catalog.find(acme)) as Tenant
  assert.equal(tenant.status, 'offboarding')
  const facts = await pooled.describe(tenant)
  assert.deepEqual([facts.gate, facts.tables[0]?.rows], ['suspended', 12_345])
  clock.advance(30 * dayMs - 1)
  assert.deepEqual(await operations.resumeAll(), [])
  assert.ok(await catalog.find({ kind: 'id', id }))
})

test('after the grace it is purged, read again, forgotten and certified', async () => {
  const { operations, catalog, pooled, clock, secrets, id, journal } = await withAcme()
  await operations.offboard('acme', { reason, actor: { kind: 'staff', id: 'alice' } })
  clock.advance(30 * dayMs)
  const [resumed] = await operations.resumeAll()
  assert.equal(resumed?.operation?.state, 'done')
  assert.equal(pooled.size, 0)
  assert.equal(await catalog.find({ kind: 'id', id }), undefined)
  await assert.rejects(operations.onboard({ slug: 'acme', name: 'Another' }), TenantExistsError)
  const { text, sha256 } = certificateOf(resumed.operation)
  const certificate = await verifyCertificate(text, await certificateKeySet(secrets))
  assert.equal(certificate.tenant.id, id)
  assert.equal(certificate.tenant.slugSha256, createHash('sha256').update('acme').digest('hex'))
  assert.deepEqual(certificate.requestedBy, { kind: 'staff', id: 'alice' })
  assert.equal(certificate.reason, reason)
  const counts = [
    { kind: 'rows', where: 'app.notes', count: 12_345 },
    { kind: 'gate', where: 'main', count: 1 },
  ]
  assert.deepEqual(certificate.stores, [{ store: 'placement', before: counts, removed: counts, after: [] }])
  assert.match(certificate.notCovered.join(' '), /Backups/)
  // The catalog keeps the hash of that very text: another is refused.
  await catalog.noteCertificate(id, sha256)
  await assert.rejects(catalog.noteCertificate(id, '0'.repeat(64)), InvalidInputError)
  // Nothing of the tenant is left in what earlier operations were given.
  assert.doesNotMatch(JSON.stringify(await journal.list({ tenantId: id })), /ann@acme|"acme"/)
})

test('within the grace it is called off, and the tenant is as it was: also when that was suspended', async () => {
  const { operations, catalog, pooled } = await withAcme()
  await operations.suspend('acme', { reason: 'unpaid' })
  const { operation } = await operations.offboard('acme', { reason })
  assert.equal((await operations.cancel(operation?.id ?? '', { reason: 'they stay' })).state, 'cancelled')
  const tenant = (await catalog.find(acme)) as Tenant
  assert.deepEqual([tenant.status, (await pooled.describe(tenant)).gate], ['suspended', 'suspended'])
  await operations.resume('acme', { reason: 'paid' })
  const second = await operations.offboard('acme', { reason })
  await operations.cancel(second.operation?.id ?? '', { reason: 'they stay' })
  assert.equal((await catalog.find(acme))?.status, 'active')
  assert.equal((await pooled.describe(tenant)).gate, 'open')
})

test('once the purge has begun there is no way back, only on', async () => {
  const stage = await withAcme()
  const down = new DatabaseUnavailableError('The server is down.')
  const broken = memoryStage({ ...stage.options, placements: () => failing(stage.pooled, 'drop', down) })
  await assert.rejects(broken.operations.offboard('acme', { reason, now: true }), OperationFailedError)
  const [failed] = await stage.operations.list({ state: 'failed' })
  await assert.rejects(stage.operations.cancel(failed?.id ?? '', { reason: 'oh' }), OperationNotCancellableError)
  await assert.rejects(stage.operations.rename('acme', { name: 'x' }), OperationInProgressError)
  const { operation } = await stage.operations.retry(failed?.id ?? '')
  assert.equal(operation?.state, 'done')
  // The first attempt deleted the rows, and its report was lost: they are counted all the same.
  const certificate = await verifyCertificate(certificateOf(operation).text, await certificateKeySet(stage.secrets))
  assert.deepEqual(certificate.stores[0]?.removed[0], { kind: 'rows', where: 'app.notes', count: 12_345 })
})

test('what is left in any store stops it: nothing is certified, forgotten or hidden', async () => {
  const stubborn: PurgeStore = {
    name: 'files',
    plan: async () => [{ kind: 'files', where: 'bucket', count: 3 }],
    purge: async () => [{ kind: 'files', where: 'bucket', count: 2 }],
    verify: async () => [{ kind: 'files', where: 'bucket', count: 1 }],
  }
  const { operations, catalog, id } = await withAcme({ stores: [stubborn] })
  await assert.rejects(operations.offboard('acme', { reason, now: true }), (error: OperationFailedError) => {
    assert.ok(error.cause instanceof PurgeIncompleteError)
    assert.match(error.message, /1 files in bucket/)
    return true
  })
  assert.ok(await catalog.find({ kind: 'id', id }))
  assert.equal((await operations.list({ state: 'failed' }))[0]?.steps['certify'], undefined)
})

test('every store that is registered is purged and certified', async () => {
  const cache = new MemoryCacheStore()
  const stage = memoryStage()
  const { operations, secrets, id } = await withAcme({
    ...stage.options,
    stores: [cachePurgeStore(cache), secretPurgeStore(stage.secrets)],
  }).then((made) => ({ ...made, secrets: stage.secrets }))
  const adapterHasIt = stage.pooled.size === 1
  assert.ok(adapterHasIt)
  secrets.kept.set(`tenant/${id}/login`, 'password')
  secrets.kept.set('tenant/another/login', 'password')
  const before = await cache.generation(id)
  const { operation } = await operations.offboard('acme', { reason, now: true })
  assert.notEqual(await cache.generation(id), before)
  assert.equal(secrets.kept.has(`tenant/${id}/login`), false)
  assert.ok(secrets.kept.has('tenant/another/login'))
  const certificate = await verifyCertificate(certificateOf(operation).text, await certificateKeySet(secrets))
  assert.deepEqual(
    certificate.stores.map(({ store }) => store),
    ['placement', 'cache', 'secrets'],
  )
})

test('a secret that the store keeps and cannot read is deleted too', async () => {
  const stage = memoryStage()
  const { operations, id } = await withAcme({ ...stage.options, stores: [secretPurgeStore(stage.secrets)] })
  stage.secrets.unreadable.add(`tenant/${id}/login`).add(`tenant/${id}/older`).add('tenant/another/login')
  await operations.offboard('acme', { reason, now: true })
  assert.deepEqual([...stage.secrets.unreadable], ['tenant/another/login'])
})

test('a purge that could not be certified is not begun', async () => {
  const stage = await withAcme()
  stage.secrets.failure = new DatabaseUnavailableError('The secret store did not answer in time.')
  await assert.rejects(stage.operations.offboard('acme', { reason, now: true }), DatabaseUnavailableError)
  assert.deepEqual(await stage.operations.list({ kind: 'offboard' }), [])
})

test('a secret store that times out stops the certificate, and a retry signs it', async () => {
  const stage = await withAcme()
  const onProgress = (event: OperationEvent): void => {
    if (event.step === 'forget') stage.secrets.failure = new DatabaseUnavailableError('The secret store did not answer in time.')
  }
  await assert.rejects(stage.operations.offboard('acme', { reason, now: true, onProgress }), (error: OperationFailedError) => {
    assert.equal(error.details['step'], 'certify')
    return true
  })
  stage.secrets.failure = undefined
  const [failed] = await stage.operations.list({ state: 'failed' })
  assert.equal((await stage.operations.retry(failed?.id ?? '')).operation?.state, 'done')
})

test('an export is written before the purge, and the certificate names its hash', async () => {
  const seen: string[] = []
  const stage = memoryStage()
  const exporter = {
    export: async (tenant: { readonly id: string }, { to }: { readonly to: string }) => {
      seen.push(`${tenant.id === id} ${to} ${(await stage.pooled.describe(tenant as Tenant)).tables.length}`)
      return { tables: [{ table: 'notes', file: 'notes.ndjson', rows: 7, bytes: 70, sha256: 'x' }], manifest: 'm', sha256: 'abc' }
    },
  }
  const { operations, id } = await withAcme({ ...stage.options, exporter })
  stage.pooled.fill(id, 'app.notes', 7)
  const { operation } = await operations.offboard('acme', { reason, now: true, exportTo: '/exports/acme' })
  assert.deepEqual(seen, ['true /exports/acme 1'])
  const certificate = await verifyCertificate(certificateOf(operation).text, await certificateKeySet(stage.secrets))
  assert.deepEqual(certificate.export, { manifestSha256: 'abc', rows: 7 })
})

test('a tenant that is above others is not closed, nor purged when somebody came below it during the grace', async () => {
  const { operations, catalog, pooled, clock, id } = await withAcme()
  const { operation } = await operations.onboard({ slug: 'below', name: 'Below', parentId: id })
  await assert.rejects(operations.offboard('acme', { reason, now: true }), /is above others: below/)
  assert.equal((await catalog.find(acme))?.status, 'active')
  await catalog.update(operation!.tenantId, { parentId: null })
  await operations.offboard('acme', { reason })
  await catalog.update(operation!.tenantId, { parentId: id })
  clock.advance(30 * dayMs)
  const [resumed] = await operations.resumeAll()
  assert.ok(resumed?.error instanceof InvalidInputError)
  const tenant = (await catalog.find(acme)) as Tenant
  assert.deepEqual([tenant.status, (await pooled.describe(tenant)).tables[0]?.rows], ['active', 12_345])
  await catalog.update(operation!.tenantId, { parentId: null })
  assert.equal((await operations.offboard('acme', { reason, now: true })).operation?.state, 'done')
})

test('contradictions and bounds are refused before the tenant is closed', async () => {
  const { operations, catalog } = await withAcme()
  await assert.rejects(operations.offboard('acme', { reason, now: true, graceMs: 1 }), InvalidInputError)
  await assert.rejects(operations.offboard('acme', { reason, graceMs: 366 * dayMs }), InvalidInputError)
  await assert.rejects(operations.offboard('acme', { reason, graceMs: -1 }), InvalidInputError)
  await assert.rejects(operations.offboard('acme', { reason, batchRows: 0 }), InvalidInputError)
  await assert.rejects(operations.offboard('acme', { reason, exportTo: '/x' }), ConfigurationError)
  await assert.rejects(operations.offboard('acme', {} as { reason: string }), InvalidInputError)
  assert.equal((await catalog.find(acme))?.status, 'active')
})
