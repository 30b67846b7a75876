// Behind a real PgBouncer in transaction mode with one server connection: the danger first, and then the wall.

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import pg from 'pg'
import { createTenancy, type Tenancy } from '../../src/tenancy.ts'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { capabilityOf } from '../support/eve.ts'
import { startPgbouncer } from '../support/pgbouncer.ts'

async function pooled(t: TestContext, connectionsMax = 4): Promise<{ here: Stage; url: string; tenancy: Tenancy }> {
  const here = await stage(t)
  const url = await startPgbouncer(t, here.database.urls.app)
  const tenancy = await createTenancy({
    catalog: here.database.urls.gatekeeper,
    database: url,
    pool: { connectionsMax, prepare: false },
  })
  t.after(() => tenancy.close())
  return { here, url, tenancy }
}

async function client(t: TestContext, url: string): Promise<pg.Client> {
  const one = new pg.Client({ connectionString: url })
  // The pooler is stopped first at the end of a test.
  one.on('error', () => {})
  await one.connect()
  t.after(() => one.end())
  return one
}

describe('the danger is real:', () => {
  test('a setting that one client makes for its session is there for the next client', async (t) => {
    const { url } = await pooled(t)
    const [one, two] = [await client(t, url), await client(t, url)]
    await one.query(`select set_config('app.tenant_id', 'bob', false)`)
    assert.deepEqual((await two.query(`select current_setting('app.tenant_id', true) as leaked`)).rows, [{ leaked: 'bob' }])
  })

  test('so the usual session-level SET serves one tenant another tenant’s rows', async (t) => {
    const { here, url } = await pooled(t)
    await here.database.superuser.query(`
      create table app.usual (tenant_id text not null, secret text not null);
      insert into app.usual values ('bob', 'secret of bob'), ('carol', 'secret of carol');
      alter table app.usual enable row level security;
      create policy usual on app.usual using (tenant_id = current_setting('app.tenant_id', true));
      grant select on app.usual to partywall_app;`)
    const [bob, carol] = [await client(t, url), await client(t, url)]
    await bob.query(`set app.tenant_id = 'bob'`)
    await carol.query(`set app.tenant_id = 'carol'`)
    assert.deepEqual((await bob.query('select secret from app.usual')).rows, [{ secret: 'secret of carol' }])
  })

  test('a capability that a client sets for its session leaks too, and the lease does not fall for it', async (t) => {
    const { here, url, tenancy } = await pooled(t, 1)
    const careless = await client(t, url)
    await careless.query(`select set_config('partywall.capability', $1, false)`, [await capabilityOf(here, 'bob')])
    const { rows } = await tenancy.run('carol', () => tenancy.query<{ title: string }>('select title from app.notes'))
    assert.equal(rows.length, rowsPerTenant)
    assert.ok(rows.every(({ title }) => title.startsWith('carol')))
  })
})

describe('the wall holds:', () => {
  test('two tenants, interleaved over one server connection, each see their own rows', async (t) => {
    const { here, tenancy } = await pooled(t)
    const seen = async (slug: string) => {
      const { rows } = await tenancy.run(slug, () =>
        tenancy.query<{ title: string; tenant: string }>(
          'select title, partywall.tenant_id()::text as tenant from app.notes where number > $1',
          [0],
        ),
      )
      assert.equal(rows.length, rowsPerTenant)
      assert.ok(rows.every(({ title, tenant }) => title.startsWith(slug) && tenant === here[slug as 'bob'].id))
    }
    await Promise.all(Array.from({ length: 200 }, (_, i) => seen(i % 2 === 0 ? 'bob' : 'carol')))
  })

  test('transactions, savepoints, streams, failures, timeouts and aborts leave nothing to the next tenant', async (t) => {
    const { tenancy } = await pooled(t)
    const acts: (() => Promise<unknown>)[] = [
      () => tenancy.transaction((tx) => tx.query(`update app.notes set body = 'bob was here'`)),
      () => tenancy.transaction((tx) => tx.savepoint(() => tx.query('select 1 / 0'))),
      () => Array.fromAsync(tenancy.stream('select * from app.notes', [], { batchSize: 2 })),
      () => tenancy.query('select 1 / 0'),
      () => tenancy.query('select pg_sleep(60)', [], { timeoutMs: 20 }),
      () => tenancy.query('select pg_sleep(60)', [], { signal: AbortSignal.timeout(50) }),
      () => tenancy.transaction((tx) => tx.query('select pg_sleep(60)'), { timeoutMs: 300 }),
    ]
    for (const act of acts) {
      await tenancy.run('bob', act).catch(() => {})
      const { rows } = await tenancy.run('carol', () => tenancy.query<{ body: string }>('select body from app.notes'))
      assert.deepEqual(
        rows.map(({ body }) => body),
        Array.from({ length: rowsPerTenant }, () => 'secret of carol'),
      )
    }
  })

  test('without a capability the pooler’s session is nobody, after a hundred tenants’ statements', async (t) => {
    const { url, tenancy } = await pooled(t)
    for (let i = 0; i < 100; i++) await tenancy.run(i % 2 === 0 ? 'bob' : 'carol', () => tenancy.query('select 1 from app.notes'))
    const nobody = await client(t, url)
    await assert.rejects(nobody.query('select * from app.notes'), { code: 'PW001' })
  })
})
