// Kysely above the wall, on the database. That the explicit tenant changes no query's meaning is shown by running each twice:
// with it, and by the policies alone (plain Kysely on the look-alike of pg.Pool).

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Generated, Kysely, PostgresDialect, sql } from 'kysely'
import { createTenantContext, type TenantContext } from '../../src/core/tenant-context.ts'
import {
  AbortedError,
  NoTenantError,
  PolicyViolationError,
  StatementRefusedError,
  TenantSuspendedError,
  TransactionAbortedError,
  WrongTenantError,
} from '../../src/errors.ts'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { isolation } from '../support/isolation.ts'

interface Schema {
  notes: {
    tenant_id: Generated<string>
    id: Generated<string>
    folder_id: string | null
    title: string
    body: Generated<string>
    number: Generated<number>
  }
  folders: { id: Generated<string>; name: string }
  countries: { code: string; name: string }
}

describe('Kysely above the wall:', () => {
  let scene: Stage
  let db: Kysely<Schema>
  let plain: Kysely<Schema>
  let bob: TenantContext
  let carol: TenantContext
  const as = <T>(context: TenantContext, fn: () => Promise<T>) => scene.tenancy.scope.run(context, fn)
  const truth = async (title: string) =>
    (await scene.alice<{ tenant_id: string }>('select tenant_id from notes where title = $1', [title])).map((row) => row.tenant_id)

  before(async () => {
    scene = await stage()
    db = scene.tenancy.db<Schema>()
    plain = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: scene.tenancy.pool() }) })
    bob = createTenantContext({ tenant: scene.bob })
    carol = createTenantContext({ tenant: scene.carol })
    for (const tenant of [scene.bob, scene.carol]) {
      // What joins can miss, on either side.
      await scene.aliceIn(tenant, `insert into folders (tenant_id, name) values ($1, 'empty')`, [tenant.id])
      await scene.aliceIn(tenant, `insert into notes (tenant_id, title, number) values ($1, 'loose', 50)`, [tenant.id])
    }
  })
  after(() => scene.tenancy.close())

  test('it is one object, cheap to ask for', () => {
    assert.equal(scene.tenancy.db(), scene.tenancy.db())
  })

  const queries: Record<string, (on: Kysely<Schema>) => { execute(): Promise<unknown> }> = {
    'a table': (on) => on.selectFrom('notes').select(['title', 'tenant_id']).orderBy('title'),
    'an inner join': (on) =>
      on.selectFrom('notes as n').innerJoin('folders as f', 'f.id', 'n.folder_id').select(['n.title', 'f.name']).orderBy('n.title'),
    'a left join': (on) =>
      on.selectFrom('notes as n').leftJoin('folders as f', 'f.id', 'n.folder_id').select(['n.title', 'f.name']).orderBy('n.title'),
    'a right join': (on) =>
      on
        .selectFrom('notes as n')
        .rightJoin('folders as f', 'f.id', 'n.folder_id')
        .select(['n.title', 'f.name'])
        .orderBy('f.name')
        .orderBy('n.title'),
    'a full join': (on) =>
      on
        .selectFrom('notes as n')
        .fullJoin('folders as f', 'f.id', 'n.folder_id')
        .select(['n.title', 'f.name'])
        .orderBy('f.name')
        .orderBy('n.title'),
    'a right join, then a full join': (on) =>
      on
        .selectFrom('notes as n')
        .rightJoin('folders as f', 'f.id', 'n.folder_id')
        .fullJoin('notes as m', (join) => join.onRef('m.number', '=', sql`coalesce(n.number, 50)`))
        .select(['n.title', 'f.name', 'm.title as other'])
        .orderBy('f.name')
        .orderBy('n.title')
        .orderBy('other'),
    'a left join, then a right join': (on) =>
      on
        .selectFrom('notes as n')
        .leftJoin('folders as f', 'f.id', 'n.folder_id')
        .rightJoin('countries as c', (join) => join.on('n.number', '=', 50).on('c.code', '=', 'de'))
        .select(['n.title', 'f.name', 'c.code'])
        .orderBy('c.code'),
    'several tables in FROM, one of them outer-joined': (on) =>
      on
        .selectFrom(['countries as c', 'notes as n'])
        .leftJoin('folders as f', 'f.id', 'n.folder_id')
        .select(['c.code', 'n.title', 'f.name'])
        .orderBy('c.code')
        .orderBy('n.title'),
    'a cross join': (on) =>
      on
        .selectFrom('folders as f')
        .crossJoin('notes as n')
        .select((eb) => eb.fn.countAll().as('n')),
    'a lateral join': (on) =>
      on
        .selectFrom('folders as f')
        .leftJoinLateral(
          (eb) =>
            eb
              .selectFrom('notes as n')
              .whereRef('n.folder_id', '=', 'f.id')
              .select((e) => e.fn.max('n.number').as('top'))
              .as('x'),
          (join) => join.onTrue(),
        )
        .select(['f.name', 'x.top'])
        .orderBy('f.name'),
    'an anti-join': (on) =>
      on
        .selectFrom('folders as f')
        .where((eb) => eb.not(eb.exists(eb.selectFrom('notes as n').select('n.id').whereRef('n.folder_id', '=', 'f.id'))))
        .select('f.name'),
    'a table expression of a table’s name': (on) =>
      on
        .with('notes', (qc) => qc.selectFrom('notes').select(['title']).where('number', '<', 3))
        .selectFrom('notes')
        .select('title')
        .orderBy('title'),
    'a union': (on) => on.selectFrom('notes').select('title as t').union(on.selectFrom('folders').select('name as t')).orderBy('t'),
    'a count over everything': (on) => on.selectFrom('notes').select((eb) => eb.fn.countAll<string>().as('n')),
    'a raw condition with or': (on) =>
      on.selectFrom('notes').select('title').where(sql<boolean>`number = 1 or number = 2`).orderBy('title'),
    'an update': (on) => on.updateTable('notes').set({ body: 'same' }).where('number', '=', 4).returning(['title', 'tenant_id']),
    'an update from another table': (on) =>
      on
        .updateTable('notes as n')
        .from('folders as f')
        .set({ body: 'same' })
        .whereRef('f.id', '=', 'n.folder_id')
        .where('n.number', '=', 5)
        .returning(['n.title', 'f.name']),
    'a delete using another table': (on) =>
      on
        .deleteFrom('notes as n')
        .using('folders as f')
        .whereRef('f.id', '=', 'n.folder_id')
        .where('n.number', '=', 77)
        .returning('n.title'),
  }
  for (const [name, query] of Object.entries(queries)) {
    test(`the explicit tenant changes nothing in ${name}`, async () => {
      for (const context of [bob, carol]) {
        const withIt = await as(context, () => query(db).execute())
        const without = await as(context, () => query(plain).execute())
        assert.deepEqual(withIt, without)
        assert.doesNotMatch(JSON.stringify(withIt), context === bob ? /carol/ : /bob/)
      }
    })
  }

  test('inserts belong to the tenant: one, many, from a query, on conflict', async () => {
    await as(bob, async () => {
      const one = await db.insertInto('notes').values({ title: 'k1' }).returning('tenant_id').executeTakeFirstOrThrow()
      assert.equal(one.tenant_id, scene.bob.id)
      await db
        .insertInto('notes')
        .values([{ title: 'k2' }, { title: 'k3', body: sql`upper('x')` }])
        .execute()
      const copied = await db
        .insertInto('notes')
        .columns(['title'])
        .expression(db.selectFrom('notes').select(sql<string>`'copy of ' || title`.as('t')).where('title', '=', 'k1'))
        .executeTakeFirst()
      assert.equal(copied.numInsertedOrUpdatedRows, 1n)
      await db
        .insertInto('notes')
        .values({ title: 'k1', body: 'second' })
        .onConflict((oc) => oc.columns(['tenant_id', 'title']).doUpdateSet({ body: (eb) => eb.ref('excluded.body') }))
        .execute()
    })
    for (const title of ['k1', 'k2', 'k3', 'copy of k1']) assert.deepEqual(await truth(title), [scene.bob.id])
    await as(carol, async () => {
      const { numDeletedRows } = await db.deleteFrom('notes').where('title', 'like', 'k%').executeTakeFirst()
      assert.equal(numDeletedRows, 0n)
    })
    await as(bob, async () => {
      const { numDeletedRows } = await db.deleteFrom('notes').where('title', 'like', '%k_').executeTakeFirst()
      assert.equal(numDeletedRows, 4n)
    })
  })

  test('raw SQL passes through, and meets the wall', async () => {
    await as(bob, async () => {
      const { rows } = await sql<{ body: string }>`select body from notes where tenant_id = ${scene.carol.id}`.execute(db)
      assert.deepEqual(rows, [])
      const insert = sql`insert into notes (tenant_id, title) values (${scene.carol.id}, 'x')`
      await assert.rejects(insert.execute(db), PolicyViolationError)
    })
  })

  test('a transaction commits, rolls back, nests, and takes isolation and access mode', async () => {
    await as(bob, async () => {
      await db
        .transaction()
        .setIsolationLevel('serializable')
        .setAccessMode('read write')
        .execute(async (trx) => {
          const { rows } = await sql<{ level: string }>`select current_setting('transaction_isolation') as level`.execute(trx)
          assert.deepEqual(rows, [{ level: 'serializable' }])
          await trx.insertInto('notes').values({ title: 'committed' }).execute()
        })
      assert.deepEqual(await truth('committed'), [scene.bob.id])
      await assert.rejects(
        db.transaction().execute(async (trx) => {
          await trx.deleteFrom('notes').execute()
          throw new TypeError('changed my mind')
        }),
        TypeError,
      )
      const readOnly = db.transaction().setAccessMode('read only')
      await assert.rejects(
        readOnly.execute((trx) => trx.deleteFrom('notes').execute()),
        { code: '25006' },
      )
      await assert.rejects(
        db.transaction().execute(async (trx) => void (await sql`select 1/0`.execute(trx).catch(() => {}))),
        TransactionAbortedError,
      )
      const { numDeletedRows } = await db.deleteFrom('notes').where('title', '=', 'committed').executeTakeFirst()
      assert.equal(numDeletedRows, 1n)
    })
  })

  test('controlled transactions and savepoints', async () => {
    await as(bob, async () => {
      const trx = await db.startTransaction().execute()
      await trx.insertInto('notes').values({ title: 'stays' }).execute()
      const inner = await trx.savepoint('a "b').execute()
      await inner.insertInto('notes').values({ title: 'goes' }).execute()
      await inner.rollbackToSavepoint('a "b').execute()
      const again = await trx.savepoint('c').execute()
      await again.releaseSavepoint('c').execute()
      await trx.commit().execute()
      assert.deepEqual(await truth('stays'), [scene.bob.id])
      assert.deepEqual(await truth('goes'), [])
      const other = await db.startTransaction().execute()
      await other.deleteFrom('notes').where('title', '=', 'stays').execute()
      await other.rollback().execute()
      await db.deleteFrom('notes').where('title', '=', 'stays').execute()
      assert.deepEqual(await truth('stays'), [])
    })
  })

  test('streams, outside a transaction and inside; stopping early gives the connection back', async () => {
    await as(bob, async () => {
      const seen: string[] = []
      for await (const row of db.selectFrom('notes').select(['title', 'body']).stream(2)) seen.push(row.title)
      assert.equal(seen.length, rowsPerTenant + 1)
      assert.ok(seen.every((title) => !title.includes('carol')))
      for await (const row of db.selectFrom('notes').select('title').stream(1)) {
        assert.ok(row.title)
        break
      }
      await db.transaction().execute(async (trx) => {
        for await (const row of trx.selectFrom('notes').select('title').stream(2)) assert.ok(row.title)
      })
    })
    const { connections } = scene.tenancy.stats()
    assert.equal(connections.idle, connections.open)
  })

  test('a signal cancels', async () => {
    await as(bob, async () => {
      const slow = db.selectFrom(sql<{ a: number }>`pg_sleep(20)`.as('x')).select(sql`1`.as('n'))
      const controller = new AbortController()
      const running = slow.execute({ signal: controller.signal })
      setImmediate(() => controller.abort(new AbortedError('enough')))
      await assert.rejects(running)
    })
  })

  test('without a tenant nothing runs; a suspended one gets nothing', async () => {
    await assert.rejects(db.selectFrom('notes').selectAll().execute(), NoTenantError)
    await assert.rejects(
      db.transaction().execute(async () => {}),
      NoTenantError,
    )
    const dave = createTenantContext({ tenant: { ...scene.dave, status: 'active' } })
    await assert.rejects(
      as(dave, () => db.selectFrom('notes').selectAll().execute()),
      TenantSuspendedError,
    )
  })

  test('a transaction carried into another tenant’s scope is refused', async () => {
    const trx = await as(bob, () => db.startTransaction().execute())
    await assert.rejects(
      as(carol, () => trx.selectFrom('notes').select('title').execute()),
      WrongTenantError,
    )
    await trx.rollback().execute()
  })

  test('plugins, schemas and query reuse: one query object serves every tenant', async () => {
    if (isolation === 'schema') {
      // Who names a schema says where the tenant must live.
      await assert.rejects(
        as(bob, () => db.withSchema('app').selectFrom('notes').select('body').execute()),
        { code: '42P01' },
      )
    }
    const query = (isolation === 'schema' ? db : db.withSchema('app'))
      .selectFrom('notes')
      .select('body')
      .distinct()
      .where('number', '<', 6)
      .where('number', '>', 5 - rowsPerTenant)
    assert.deepEqual(await as(carol, () => query.where('body', 'like', 'secret%').execute()), [{ body: 'secret of carol' }])
    assert.deepEqual(await as(bob, () => query.where('body', 'like', 'secret%').execute()), [{ body: 'secret of bob' }])
    await assert.rejects(
      as(bob, () => sql`set search_path = public`.execute(db)),
      StatementRefusedError,
    )
  })
})
