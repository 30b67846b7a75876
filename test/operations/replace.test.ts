import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PlacedTenant } from '../../src/core/placement-adapter.ts'
import { BackupNotFoundError, ConfigurationError, InvalidInputError, ObjectStoreError, OperationFailedError } from '../../src/errors.ts'
import type { TenantFiller } from '../../src/operations/tenant-filler.ts'
import { failing, memoryStage } from './stage.ts'

const reason = 'An import went wrong.'
const contents = 'tenant/backup'

/** Knows one backup, and remembers what it was asked. */
function memoryFiller(): TenantFiller & { readonly asked: string[] } {
  const asked: string[] = []
  const note = (what: string, { id }: PlacedTenant): void => void asked.push(`${what} ${id}`)
  return {
    asked,
    check: async (name) => {
      if (name !== contents) throw new BackupNotFoundError('There is no such backup.')
    },
    fill: async (tenant) => {
      note('fill', tenant)
      return { tables: 1, rows: 2 }
    },
    replace: async (tenant) => {
      note('replace', tenant)
      return { safety: 'tenant/safety', tables: [] }
    },
    release: async (tenant) => note('release', tenant),
  }
}

test('a replacement says which backup is the way back, and counts the epoch on', async () => {
  const filler = memoryFiller()
  const { operations, catalog } = memoryStage({ filler })
  const { operation: made } = await operations.onboard({ slug: 'acme', name: 'Acme' })
  const before = await catalog.find({ kind: 'id', id: made!.tenantId })
  const { operation } = await operations.replace('acme', contents, { reason })
  assert.equal(operation?.state, 'done')
  assert.deepEqual(operation?.steps['replace']?.output, { safety: 'tenant/safety', tables: [] })
  assert.deepEqual(filler.asked, [`replace ${made!.tenantId}`])
  assert.ok((await catalog.find({ kind: 'id', id: made!.tenantId }))!.epoch > before!.epoch)
})

test('a backup that is not there refuses it, and the tenant is free for the next operation at once', async () => {
  const { operations } = memoryStage({ filler: memoryFiller() })
  await operations.onboard({ slug: 'acme', name: 'Acme' })
  await assert.rejects(operations.replace('acme', 'tenant/nothing', { reason }), BackupNotFoundError)
  await operations.rename('acme', { name: 'Acme Ltd.' })
})

test('one that failed is gone on with, or cancelled, which takes away what it left at the gate', async () => {
  const filler = failing(memoryFiller(), 'replace', new ObjectStoreError('The store does not answer.'), 2)
  const { operations } = memoryStage({ filler })
  const { operation: made } = await operations.onboard({ slug: 'acme', name: 'Acme' })
  await assert.rejects(operations.replace('acme', contents, { reason }), OperationFailedError)
  const [failed] = await operations.list({ state: 'failed' })
  await assert.rejects(operations.retry(failed!.id), OperationFailedError)
  assert.equal((await operations.cancel(failed!.id, { reason })).state, 'cancelled')
  assert.deepEqual(filler.asked, [`release ${made!.tenantId}`])
  assert.equal((await operations.replace('acme', contents, { reason })).operation?.state, 'done')
})

test('it needs a reason, and an installation that has backups', async () => {
  const { operations } = memoryStage({ filler: memoryFiller() })
  await operations.onboard({ slug: 'acme', name: 'Acme' })
  await assert.rejects(operations.replace('acme', contents, { reason: '' }), InvalidInputError)
  const without = memoryStage()
  await without.operations.onboard({ slug: 'acme', name: 'Acme' })
  await assert.rejects(without.operations.replace('acme', contents, { reason }), (error: Error) => {
    return error instanceof ConfigurationError || error.cause instanceof ConfigurationError
  })
})

test('a restored tenant is filled before it is opened; a backup that is not there is told before anything is made', async () => {
  const filler = memoryFiller()
  const { operations, catalog } = memoryStage({ filler })
  const { operation } = await operations.onboard({ slug: 'acme', name: 'Acme', contents })
  const steps = Object.keys(operation!.steps)
  assert.ok(steps.indexOf('fill') > steps.indexOf('provision') && steps.indexOf('fill') < steps.indexOf('open-gate'))
  assert.deepEqual(operation!.steps['fill']?.output, { tables: 1, rows: 2 })
  await assert.rejects(operations.onboard({ slug: 'globex', name: 'Globex', contents: 'tenant/nothing' }), BackupNotFoundError)
  assert.equal((await catalog.list()).tenants.length, 1)
})
