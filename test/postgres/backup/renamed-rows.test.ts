import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RowStream } from '../../../src/backup/row-source.ts'
import type { TenantId } from '../../../src/core/tenant.ts'
import { BackupInvalidError, ConfigurationError, WrongTenantError } from '../../../src/errors.ts'
import { renamedRows } from '../../../src/postgres/backup/renamed-rows.ts'

const acme = { id: '018f0000-0000-7000-8000-000000000001' as TenantId, keys: { bigint: '7' } }
const hooli = { id: '018f0000-0000-7000-8000-000000000002' as TenantId, keys: {} }

function stream(text: string, over: Partial<RowStream> = {}): RowStream {
  return {
    table: 'notes',
    columns: ['id', 'tenant_id', 'body'],
    tenantColumn: 'tenant_id',
    tenantType: 'uuid',
    rows: async function* () {
      yield Buffer.from(text)
    },
    ...over,
  }
}

async function renamed(rows: RowStream, from = acme): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of renamedRows(rows, { from, to: hooli }, undefined)) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

test('rows become the other tenant’s, and nothing else of them changes', async () => {
  assert.equal(
    await renamed(stream(`1\t${acme.id}\t${acme.id}\\n\n2\t${acme.id}\t\\N\n`)),
    `1\t${hooli.id}\t${acme.id}\\n\n2\t${hooli.id}\t\\N\n`,
  )
})

test('one row of anybody else refuses them all', async () => {
  const third = '018f0000-0000-7000-8000-000000000003'
  await assert.rejects(renamed(stream(`1\t${acme.id}\ta\n2\t${third}\tb\n`)), WrongTenantError)
  await assert.rejects(renamed(stream('1\t\\N\ta\n')), WrongTenantError)
})

test('rows that do not say whose they are are refused, and so is a tenant without a key of the type', async () => {
  await assert.rejects(renamed(stream('1\ta\n', { columns: ['id', 'body'] })), BackupInvalidError)
  await assert.rejects(renamed(stream('1\t7\ta\n', { tenantType: 'bigint' })), ConfigurationError)
})
