// Replicas serve every placement: shared tables, a schema of one's own, a database with a login of its own.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Isolation } from '../../src/core/placement.ts'
import type { PlacedTenant } from '../../src/core/placement-adapter.ts'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import { type Fleet, fleet } from '../support/fleet.ts'
import { type TestReplica, testReplica } from '../support/replica.ts'

const onReplica: readonly Isolation[] = ['pooled', 'schema', 'database']
const notesPerTenant = 3

describe('tenancy.replica() in every placement', () => {
  let made: Fleet
  let replica: TestReplica
  let tenancy: Tenancy

  before(async () => {
    made = await fleet()
    replica = await testReplica()
    await made.catalog.superuser.query(
      `insert into partywall.replicas (server_name, name, region, host, port) values ('main', 'near', 'default', $1, $2)`,
      [replica.host, replica.port],
    )
    tenancy = await createTenancy({
      catalog: made.catalog.urls.gatekeeper,
      database: made.catalog.urls.app,
      secrets: { get: async (name) => made.secrets.get(name) },
      replicas: { ageMsMax: 600, lookEveryMs: 100, asideMs: 50 },
    })
  })
  after(async () => {
    await tenancy.close()
    await replica.close()
    await made.strike()
  })

  async function settled(isolation: Isolation, name: string): Promise<PlacedTenant> {
    const tenant = await made.tenant(isolation)
    await made.as(tenant, (connection) =>
      connection.query(`insert into notes (title) select $1 || g from generate_series(1, $2::int) as g`, [name, notesPerTenant]),
    )
    return tenant
  }

  const read = (tenant: PlacedTenant) =>
    tenancy.run(
      tenant.id,
      async () =>
        (await tenancy.replica().query<{ title: string; replica: boolean }>('select title, pg_is_in_recovery() as replica from notes'))
          .rows,
    )

  async function untilReads(tenant: PlacedTenant, fromReplica: boolean): Promise<void> {
    while ((await read(tenant)).some((row) => row.replica !== fromReplica));
  }

  for (const isolation of onReplica) {
    test(`${isolation}: from the replica a tenant reads its own rows, and another of its kind not one of them`, async () => {
      const [bob, carol] = [await settled(isolation, 'bob '), await settled(isolation, 'carol ')]
      for (const [tenant, name] of [
        [bob, 'bob '],
        [carol, 'carol '],
      ] as const) {
        await untilReads(tenant, true)
        const rows = await read(tenant)
        assert.equal(rows.length, notesPerTenant)
        assert.ok(rows.every(({ title }) => title.startsWith(name)))
      }
      const { database, schema } = carol.placement
      const [truth] = await made.alice<{ count: number }>(
        carol.placement,
        `select count(*)::int as count from ${schema}.notes where title like 'carol %'`,
      )
      assert.equal(truth!.count, notesPerTenant, database)
      const stolen = tenancy.run(bob.id, () => tenancy.replica().query(`select title from ${schema}.notes where title like 'carol %'`))
      // By its qualified name: nothing, or a refusal.
      assert.deepEqual(
        await stolen.then(
          ({ rows }) => rows,
          () => [],
        ),
        [],
      )
    })

    test(`${isolation}: nothing is written, on the replica or where the primary stands in`, async () => {
      const dora = await settled(isolation, 'dora ')
      const write = () => tenancy.run(dora.id, () => tenancy.replica().query(`insert into notes (title) values ('written')`))
      await untilReads(dora, true)
      await assert.rejects(write(), { code: '25006' })
      await replica.control.query('select pg_wal_replay_pause()')
      try {
        await made.alice(dora.placement, `select pg_logical_emit_message(true, 'test', 'written after the pause')`)
        await untilReads(dora, false)
        await assert.rejects(write(), { code: '25006' })
        await assert.rejects(
          tenancy.run(dora.id, () => tenancy.replica().transaction((tx) => tx.query(`insert into notes (title) values ('written')`))),
          { code: '25006' },
        )
        assert.equal((await read(dora)).length, notesPerTenant)
      } finally {
        await replica.control.query('select pg_wal_replay_resume()')
      }
    })
  }

  test('server: where the server has no replica, it is read itself, and not written', async () => {
    const alone = await settled('server', 'alone ')
    const rows = await read(alone)
    assert.equal(rows.length, notesPerTenant)
    assert.ok(rows.every((row) => !row.replica))
    await assert.rejects(
      tenancy.run(alone.id, () => tenancy.replica().query(`insert into notes (title) values ('written')`)),
      { code: '25006' },
    )
  })
})
