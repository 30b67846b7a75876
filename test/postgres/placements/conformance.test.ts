// The promises of a placement, the same for all four.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isolations } from '../../../src/core/placement.ts'
import type { PlacedTenant } from '../../../src/core/placement-adapter.ts'
import { type Fleet, fleet, open } from '../../support/fleet.ts'

let made: Fleet

/** Rows in every table: a tree of notes whose leaves must go first, and both partitions. */
async function fill(tenant: PlacedTenant, notes = 12): Promise<void> {
  await made.as(tenant, async (connection) => {
    const [folder] = await connection.query<{ id: string }>(`insert into folders (name) values ('a folder') returning id`)
    let parent: string | null = null
    for (let i = 0; i < notes; i++) {
      const [note]: readonly { id: string }[] = await connection.query(
        'insert into notes (folder_id, parent_id, title) values ($1, $2, $3) returning id',
        [folder!.id, parent, `note ${i}`],
      )
      if (i % 3 === 0) parent = note!.id
    }
    await connection.query('insert into events (id) select g from generate_series(90, 110) as g')
  })
}

describe('placements', () => {
  before(async () => {
    made = await fleet()
  })
  after(() => made.strike())

  for (const isolation of isolations) {
    describe(`a placement of isolation ${isolation}:`, () => {
      const adapter = () => made.placements.for(isolation)

      test('place answers the same when it is asked again, before and after the catalog has the tenant', async () => {
        const tenant = await made.placed(isolation)
        if (isolation === 'schema' || isolation === 'database' || isolation === 'server') {
          assert.notEqual(tenant.placement.database, 'main')
        }
        assert.deepEqual(await adapter().place(tenant), tenant.placement)
        assert.equal(tenant.placement.isolation, isolation)
      })

      test('a provisioned tenant is not let in before its gate is opened, and is afterwards', async () => {
        const tenant = await made.placed(isolation)
        await adapter().provision(tenant)
        assert.equal((await adapter().describe(tenant)).gate, 'suspended')
        await assert.rejects(made.as(tenant, (connection) => connection.query('select title from notes')))
        await open(made, tenant)
        assert.deepEqual(await made.as(tenant, (connection) => connection.query('select title from notes')), [])
      })

      test('it is verified without a finding, and provisioning it again changes nothing', async () => {
        const tenant = await made.tenant(isolation)
        await fill(tenant)
        const before = await adapter().describe(tenant)
        await adapter().provision(tenant)
        assert.deepEqual(await adapter().describe(tenant), before)
        assert.equal(before.gate, 'open')
        assert.deepEqual(await adapter().verify(tenant), [])
      })

      test('it is described as it is: its place, region, version, and its own rows alone', async () => {
        const [tenant, other] = [await made.tenant(isolation), await made.tenant(isolation)]
        await fill(tenant)
        await fill(other, 5)
        const facts = await adapter().describe(tenant)
        assert.equal(facts.region, 'default')
        assert.equal(facts.version, '0002')
        assert.deepEqual(facts.placement, tenant.placement)
        const rows = new Map(facts.tables.map((table) => [table.name.split('.')[1], table.rows]))
        assert.deepEqual([rows.get('notes'), rows.get('folders'), rows.get('events')], [12, 1, 21])
        assert.ok(facts.tables.every((table) => table.bytes > 0))
      })

      test('emptying takes its rows in small batches, tells of them, and leaves another tenant’s', async () => {
        const [tenant, other] = [await made.tenant(isolation), await made.tenant(isolation)]
        await fill(tenant)
        await fill(other, 5)
        await adapter().setGate(tenant, 'suspended')
        let told = 0
        const counts = await adapter().empty(tenant, { batchRows: 3, onProgress: ({ count }) => (told += count) })
        assert.equal(
          counts.reduce((sum, { count }) => sum + count, 0),
          34,
        )
        assert.equal(told, 34)
        assert.ok((await adapter().describe(tenant)).tables.every(({ rows }) => rows === 0))
        const [left] = await made.as(other, (connection) => connection.query<{ count: string }>('select count(*) from notes'))
        assert.equal(left?.count, '5')
        assert.deepEqual(
          (await adapter().empty(tenant)).filter(({ count }) => count > 0),
          [],
        )
      })

      test('what is dropped leaves nothing, told by reading again; a neighbour stays; dropping again is harmless', async () => {
        const [tenant, other] = [await made.tenant(isolation), await made.tenant(isolation)]
        await fill(tenant)
        await fill(other, 5)
        assert.notDeepEqual(await adapter().remains(tenant), [])
        await made.tenants.setStatus(tenant.id, 'offboarding')
        const gone = await adapter().drop(tenant)
        assert.ok(gone.length > 0)
        assert.deepEqual(await adapter().remains(tenant), [])
        assert.deepEqual(await adapter().drop(tenant), [])
        await made.tenants.remove(tenant.id)
        assert.deepEqual(await adapter().remains(tenant), [])
        assert.deepEqual(await adapter().verify(other), [])
        const listed = await made.catalog.superuser.query('select from partywall.databases as d where d.tenant_id = $1', [tenant.id])
        assert.equal(listed.length, 0)
      })

      test('the gate obeys at once, whatever capability is held', async () => {
        const tenant = await made.tenant(isolation)
        await fill(tenant, 1)
        await made.as(tenant, async (connection) => {
          await connection.query('select title from notes')
          await adapter().setGate(tenant, 'read_only')
          await assert.rejects(
            made.as(tenant, (other) => other.query(`insert into folders (name) values ('x')`)),
            { code: 'PW006' },
          )
          await adapter().setGate(tenant, 'suspended')
          await assert.rejects(connection.query('select title from notes'), { code: 'PW004' })
          // The transaction is over; what remains of it is rolled back.
          await connection.query('rollback')
        })
      })
    })
  }
})
