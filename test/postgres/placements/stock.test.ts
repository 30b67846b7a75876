// Places made in advance.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { InvalidInputError } from '../../../src/errors.ts'
import { type Fleet, fleet, Killed } from '../../support/fleet.ts'
import { plainMigrations, tables } from '../../support/plain-migrations.ts'

describe('the stock', () => {
  let made: Fleet
  before(async () => {
    made = await fleet()
  })
  after(() => made.strike())

  for (const isolation of ['schema', 'database', 'server'] as const) {
    test(`a tenant of isolation ${isolation} gets what was made in advance, and it is as good as any other`, async () => {
      const { stock } = made.placements
      assert.equal(await stock.fill({ isolation, region: 'default', count: 2 }), 2)
      assert.equal(await stock.fill({ isolation, region: 'default', count: 2 }), 0)
      made.steps.splice(0)
      const [first, second] = await Promise.all([made.tenant(isolation), made.tenant(isolation)])
      assert.notDeepEqual(first.placement, second.placement)
      assert.ok(!made.steps.includes('database'), 'a database was made while the tenant waited')
      assert.equal(await stock.count({ isolation, region: 'default' }), 0)
      assert.deepEqual(await made.adapter(first).verify(first), [])
      assert.deepEqual(await made.adapter(first).place(first), first.placement)
      await made.as(first, (connection) => connection.query(`insert into folders (name) values ('x')`))
      await made.tenants.setStatus(first.id, 'offboarding')
      await made.adapter(first).drop(first)
      assert.deepEqual(await made.adapter(first).remains(first), [])
    })
  }

  test('nobody can put a row into a schema that waits, nor look into it', async () => {
    await made.placements.stock.fill({ isolation: 'schema', region: 'default', count: 1 })
    const [waiting] = await made.catalog.superuser.query<{ name: string }>(
      `select o.schema_name as name from partywall.schemas as o where o.state = 'stock'`,
    )
    const bob = await made.tenant('schema', {})
    const eve = bob.placement.schema === waiting?.name ? await made.tenant('schema') : bob
    const [other] = await made.placements.stock
      .fill({ isolation: 'schema', region: 'default', count: 1 })
      .then(() =>
        made.catalog.superuser.query<{ name: string }>(`select o.schema_name as name from partywall.schemas as o where o.state = 'stock'`),
      )
    for (const text of [`insert into ${other!.name}.folders (name) values ('mine')`, `select from ${other!.name}.folders`]) {
      await assert.rejects(
        made.as(eve, (connection) => connection.query(text)),
        { code: '42501' },
      )
    }
  })

  test('what a killed run left half-made is finished, not left lying', async () => {
    made.failAt = 'login'
    await assert.rejects(made.placements.stock.fill({ isolation: 'database', region: 'default', count: 1 }), Killed)
    made.failAt = undefined
    assert.equal(await made.placements.stock.count({ isolation: 'database', region: 'default' }), 0)
    assert.equal(await made.placements.stock.fill({ isolation: 'database', region: 'default', count: 1 }), 1)
    const rows = await made.catalog.superuser.query(`select from partywall.databases as d where d.tenant_id is null and d.holds = 'tenant'`)
    assert.equal(rows.length, 1)
  })

  test('what has waited through a new migration is brought up to date when its tenant comes', async () => {
    await made.placements.stock.fill({ isolation: 'schema', region: 'default', count: 1 })
    const tenant = await made.placed('schema')
    const newer = made.with(plainMigrations([...tables, 'alter table folders add column colour text']))
    await newer.for('schema').provision(tenant)
    assert.equal((await newer.for('schema').describe(tenant)).version, '0003')
    assert.deepEqual(await newer.for('schema').verify(tenant), [])
  })

  test('a count that is no count is refused', async () => {
    await assert.rejects(made.placements.stock.fill({ isolation: 'schema', region: 'default', count: -1 }), InvalidInputError)
  })
})
