// A tenant's rows out of one placement and into another: the same rows, and nobody else's, in every format.

import assert from 'node:assert/strict'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isolations } from '../../../src/core/placement.ts'
import type { PlacedTenant } from '../../../src/core/placement-adapter.ts'
import { exportFormats } from '../../../src/portability/portable-table.ts'
import { type PortabilityStage, portabilityStage, tenantTables } from '../../support/portability-stage.ts'
import { keyedTables } from '../../support/portable-tables.ts'

describe('a tenant’s rows', () => {
  let stage: PortabilityStage

  before(async () => {
    stage = await portabilityStage()
  })
  after(() => stage.strike())

  /** Parquet has neither infinity nor a NaN for these types. */
  const finite = async ({ id, placement }: PlacedTenant): Promise<void> => {
    await stage.fleet.alice(
      placement,
      `update ${placement.schema}.people set seen_at = '2026-01-01', exact = 1 where tenant_id = $1 and seen_at = 'infinity'`,
      [id],
    )
  }

  for (const [index, isolation] of isolations.entries()) {
    const target = isolations[(index + 1) % isolations.length]!
    test(`from ${isolation} to ${target} are equal in every format; neighbours on both sides keep theirs, and are in no file`, async () => {
      const { fleet, exports, imports, fill, rowsOf, path } = stage
      const source = await fill(await fleet.tenant(isolation), 'ours')
      const beside = await fill(await fleet.tenant(isolation), 'theirs')
      const expected = await rowsOf(source)
      assert.ok(tenantTables.every((name) => expected[name]!.length > 0))
      for (const format of exportFormats) {
        if (format === 'parquet') await finite(source)
        const to = path(`${isolation}-${format}`)
        const written = await exports.export(source.id, { to, format, compress: format === 'jsonl' })
        assert.deepEqual(
          written.tables.map(({ table, rows }) => [table, rows]),
          tenantTables.map((name) => [name, expected[name]!.length]),
        )
        for (const file of await readdir(to)) assert.ok(!(await readFile(join(to, file))).includes('theirs'), file)
        const copy = await fleet.tenant(target)
        const neighbour = await fill(await fleet.tenant(target), 'neighbour')
        const before = [await rowsOf(neighbour), await rowsOf(beside)]
        const report = await imports.import(copy.id, { from: to })
        assert.deepEqual([report.outcome, report.refused, report.written], ['done', 0, written.rows])
        assert.deepEqual(await rowsOf(copy), await rowsOf(source), format)
        assert.deepEqual([await rowsOf(neighbour), await rowsOf(beside)], before)
        // The same command again finds that it is done.
        const again = await imports.import(copy.id, { from: to })
        assert.deepEqual([again.wasDone, again.written], [true, written.rows])
      }
    })
  }

  test('are described by a Data Package, and only their owner on this machine may read them', async () => {
    const { fleet, exports, fill, path } = stage
    const to = path('described')
    await exports.export((await fill(await fleet.tenant('pooled'), 'ours')).id, { to, format: 'csv', tables: ['people', 'tasks'] })
    const descriptor = JSON.parse(await readFile(join(to, 'datapackage.json'), 'utf8'))
    assert.deepEqual(
      descriptor.resources.map(({ name, path: file }: { name: string; path: string }) => [name, file]),
      [
        ['people', 'people.csv'],
        ['tasks', 'tasks.csv'],
      ],
    )
    const [people, tasks] = descriptor.resources
    const field = (name: string) => people.schema.fields.find((each: { name: string }) => each.name === name)
    assert.equal(field('tenant_id'), undefined)
    assert.equal(field('shout'), undefined)
    assert.deepEqual(field('mood'), {
      name: 'mood',
      type: 'string',
      'postgresql:type': 'mood',
      constraints: { required: true, enum: ['calm', 'cross'] },
    })
    assert.deepEqual(field('name').constraints, { required: true, maxLength: 60 })
    assert.deepEqual(people.schema.primaryKey, ['id'])
    assert.deepEqual(tasks.schema.foreignKeys, [
      { fields: ['person_id'], reference: { resource: 'people', fields: ['id'] } },
      { fields: ['parent_id'], reference: { resource: 'tasks', fields: ['id'] } },
    ])
    for (const file of await readdir(to)) assert.equal((await stat(join(to, file))).mode & 0o777, 0o600, file)
  })

  test('are as they were at one moment, whatever is written meanwhile', async () => {
    const { fleet, exports, fill, path, refusals } = stage
    const source = await fill(await fleet.tenant('pooled'), 'ours')
    const to = path('moment')
    let writing: Promise<unknown> | undefined
    await exports.export(source.id, {
      to,
      onProgress: () => {
        // After the first table, and before those that refer to each other, all rows go.
        writing ??= fleet.as(source, async (connection) => {
          await connection.query('update tasks set parent_id = null')
          await connection.query('delete from tasks')
          await connection.query(`update people set name = 'changed ' || id`)
        })
      },
    })
    await writing
    const tasks = (await readFile(join(to, 'tasks.jsonl'), 'utf8')).trim().split('\n')
    assert.equal(tasks.length, 33)
    assert.doesNotMatch(await readFile(join(to, 'people.jsonl'), 'utf8'), /changed/)
    const copy = await fleet.tenant('pooled')
    const report = await stage.imports.import(copy.id, { from: to, mapIds: true })
    assert.deepEqual([report.outcome, await refusals(to)], ['done', []])
  })
})

test('a tenant’s rows are the same where tables know tenants by a number or a text, and no other’s with a key that is alike', async (t) => {
  const keyed = await portabilityStage(keyedTables)
  t.after(() => keyed.strike())
  const { fleet, exports, imports, path, written, refusals } = keyed
  const [bob, carol] = [
    await fleet.tenant('pooled', { keys: { bigint: '9007199254740992', text: 'Acme' } }),
    await fleet.tenant('pooled', { keys: { bigint: '9007199254740993', text: 'Acme ' } }),
  ]
  for (const [tenant, of] of [
    [bob, 'bob'],
    [carol, 'carol'],
  ] as const) {
    await fleet.as(tenant, async (connection) => {
      await connection.query(`insert into orders (label) select '${of} ' || g from generate_series(1, 3) as g`)
      await connection.query(`insert into labels (name, "odd ""name") values ('${of}', 'x')`)
    })
  }
  const to = path('keys')
  const { tables } = await exports.export(bob.id, { to, tables: ['labels', 'orders'] })
  assert.deepEqual(
    tables.map(({ table, rows }) => [table, rows]),
    [
      ['labels', 1],
      ['orders', 3],
    ],
  )
  assert.equal(await readFile(join(to, 'labels.jsonl'), 'utf8'), '{"name":"bob","odd \\"name":"x"}\n')
  const copy = await fleet.tenant('database', { keys: { bigint: '7', text: 'copy' } })
  assert.equal((await imports.import(copy.id, { from: to })).written, 4)
  assert.deepEqual(await fleet.alice(copy.placement, 'select customer, count(*)::int as n from app.orders group by customer'), [
    { customer: '7', n: 3 },
  ])
  // A tenant without such keys has nothing there, and takes nothing.
  const plain = await fleet.tenant('pooled')
  const all = await exports.export(plain.id, { to: path('no-keys') })
  assert.ok(all.tables.every(({ table }) => table !== 'orders' && table !== 'labels'))
  await assert.rejects(imports.import(plain.id, { from: to }), {
    code: 'PW_INVALID_INPUT',
    message: /no text key, by which labels knows tenants/,
  })
  const named = await written('named-keys', 'jsonl', {
    labels: ['Acme', 'Acme ', 'acme'].map((account, i) => `${JSON.stringify({ account, name: `n${i}` })}\n`).join(''),
  })
  const report = await imports.import(bob.id, { from: named, skipRefused: true })
  assert.deepEqual([report.written, (await refusals(named)).map(({ line }) => line)], [1, [2, 3]])
})
