// What tenants are estimated to take, in each placement; against rows that were really written.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Tenant } from '../../../src/core/tenant.ts'
import type { TenantSize } from '../../../src/operations/moves/plan.ts'
import { PostgresTenantSizes } from '../../../src/postgres/moves/tenant-sizes.ts'
import { type CliFleet, cliFleet } from '../../support/cli-fleet.ts'

const rows = { small: 100, great: 900 }

describe('the estimated size of a tenant', () => {
  let cli: CliFleet
  const tenants = new Map<string, Tenant>()
  const sizes = async () => {
    const { connections } = cli.fleet
    return await new PostgresTenantSizes({ connections }).sizesOf([...tenants.values()])
  }
  const sizeOf = async (slug: string): Promise<TenantSize> => (await sizes()).get(tenants.get(slug)!.id)!
  const fill = async ({ id, placement: { schema, database } }: Tenant, count: number) =>
    await cli.fleet.connections.asAdministrator(
      'main',
      (admin) =>
        admin.transaction(async (connection) => {
          await connection.query(
            `insert into ${schema}.notes (tenant_id, body) select $1, repeat('x', 100) from generate_series(1, $2::int)`,
            [id, count],
          )
          // Counters are told a while later, otherwise.
          await connection.query('select pg_stat_force_next_flush()')
        }),
      database === 'main' ? cli.catalog.name : database,
    )

  before(async () => {
    cli = await cliFleet()
    const adopted = await cli.runOver({ env: { ...cli.env, PARTYWALL_SERVER_URL: cli.catalog.urls.superuser } }, 'server', 'adopt-main')
    assert.equal(adopted.code, 0, adopted.err)
    await cli.json('database', 'create', `${cli.catalog.name}_schemas`, '--server', 'main')
    for (const isolation of ['pooled', 'schema', 'database'] as const) {
      for (const [size, count] of Object.entries(rows)) {
        const slug = `${isolation}-${size}`
        await cli.fleet.tenants.onboard({ slug, name: slug, isolation })
        const tenant = (await cli.fleet.catalog.find({ kind: 'slug', slug: slug as Tenant['slug'] }))!
        tenants.set(slug, tenant)
        await fill(tenant, count)
      }
    }
  })

  after(async () => {
    await cli.strike()
  })

  test('is known for everybody before anything was analysed, and in tables of its own says who is greater', async () => {
    assert.equal((await sizes()).size, 6)
    const [small, great] = [await sizeOf('pooled-small'), await sizeOf('pooled-great')]
    assert.deepEqual([small.rows, small.load], [great.rows, undefined], 'without statistics everybody has the same')
    assert.ok(small.rows > 0)
    assert.ok((await sizeOf('schema-great')).bytes > (await sizeOf('schema-small')).bytes)
  })

  test('is near the truth when the tables were analysed, in every placement', async () => {
    const databases = new Map([...tenants.values()].map(({ placement }) => [placement.database, placement]))
    for (const { database } of databases.values())
      await cli.fleet.connections.asAdministrator(
        'main',
        (admin) => admin.query('analyze'),
        database === 'main' ? cli.catalog.name : database,
      )
    for (const isolation of ['pooled', 'schema', 'database']) {
      for (const [size, count] of Object.entries(rows)) {
        const found = await sizeOf(`${isolation}-${size}`)
        // The seed's own row, and in shared tables nobody else's.
        assert.ok(Math.abs(found.rows - count) <= count * 0.1 + 2, `${isolation}-${size}: ${found.rows} rows`)
        assert.ok(found.bytes >= count * 100, `${isolation}-${size}: ${found.bytes} bytes`)
      }
    }
    const whole = (await sizeOf('pooled-great')).bytes + (await sizeOf('pooled-small')).bytes
    const [table] = await cli.catalog.superuser.query<{ bytes: number }>(`select pg_total_relation_size('app.notes')::float8 as bytes`)
    assert.ok(whole <= table!.bytes, 'no more than there is')
  })

  test('says what is read and written, where that can be told apart', async () => {
    assert.ok((await sizeOf('database-great')).load! > 0)
    assert.equal((await sizeOf('pooled-great')).load, undefined)
  })

  test('leaves out who lives in a database that does not answer', async () => {
    const { placement, ...rest } = tenants.get('database-small')!
    const lost = { ...rest, placement: { ...placement, database: 'nowhere' } }
    const { connections } = cli.fleet
    const found = await new PostgresTenantSizes({ connections }).sizesOf([lost, tenants.get('database-great')!])
    assert.deepEqual([...found.keys()], [tenants.get('database-great')!.id])
  })
})
