// Where the look-alike differs from pg.Pool, and why it may: the wall.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { and, eq, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import pg from 'pg'
import { createTenantContext, type TenantContext } from '../../src/core/tenant-context.ts'
import {
  CallbackRefusedError,
  ClosedError,
  InvalidInputError,
  NoTenantError,
  PolicyViolationError,
  StatementRefusedError,
  StatementTimeoutError,
  SubmittableRefusedError,
  TenantSuspendedError,
  TransactionAbortedError,
  TransactionClosedError,
  WrongTenantError,
} from '../../src/errors.ts'
import type { TenantPool } from '../../src/postgres/tenant-pool.ts'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'

describe('the look-alike of pg.Pool:', () => {
  let scene: Stage
  let pool: TenantPool
  let bob: TenantContext
  let carol: TenantContext
  const as = <T>(context: TenantContext, fn: () => Promise<T>) => scene.tenancy.scope.run(context, fn)
  const bodies = async () => (await scene.alice("select from notes where body = 'changed'")).length

  before(async () => {
    scene = await stage()
    pool = scene.tenancy.pool()
    bob = createTenantContext({ tenant: scene.bob })
    carol = createTenantContext({ tenant: scene.carol })
  })
  after(() => scene.tenancy.close())

  test('each tenant sees its own rows and nothing else, by the pool and by a client', async () => {
    for (const [context, name] of [
      [bob, 'bob'],
      [carol, 'carol'],
    ] as const) {
      await as(context, async () => {
        const client = await pool.connect()
        for (const on of [pool, client as unknown as pg.Pool]) {
          const { rows } = await on.query<{ body: string }>('select body from notes')
          assert.equal(rows.length, rowsPerTenant)
          assert.deepEqual([...new Set(rows.map((row) => row.body))], [`secret of ${name}`])
        }
        client.release()
      })
    }
  })

  test('outside every tenant nothing runs', async () => {
    await assert.rejects(pool.query('select 1'), NoTenantError)
    await assert.rejects(pool.connect(), NoTenantError)
  })

  test('a suspended tenant gets nothing, whatever the cache says', async () => {
    const dave = createTenantContext({ tenant: { ...scene.dave, status: 'active' } })
    await assert.rejects(
      as(dave, () => pool.query('select body from notes')),
      TenantSuspendedError,
    )
  })

  test('a client carried into another tenant’s scope is refused, in a transaction and outside; outside every scope it serves its own', async () => {
    const client = await as(bob, () => pool.connect())
    await assert.rejects(
      as(carol, () => client.query('select body from notes')),
      WrongTenantError,
    )
    await as(bob, () => client.query('begin'))
    await assert.rejects(
      as(carol, () => client.query("update notes set body = 'changed'")),
      WrongTenantError,
    )
    await assert.rejects(
      as(carol, () => client.query('commit')),
      WrongTenantError,
    )
    const { rows } = await client.query('select body from notes')
    assert.deepEqual([...new Set(rows.map((row) => row['body']))], ['secret of bob'])
    client.release()
    assert.equal(await bodies(), 0)
  })

  test('the tenant is that of the call, not of the moment when its turn comes', async () => {
    const narrow = await stage(undefined, { pool: { connectionsMax: 1 } })
    try {
      const on = narrow.tenancy.pool()
      const contexts = [createTenantContext({ tenant: narrow.bob }), createTenantContext({ tenant: narrow.carol })]
      const holder = await narrow.tenancy.scope.run(contexts[0]!, () => on.connect())
      await holder.query('begin')
      await holder.query('select 1')
      const asked = Array.from({ length: 40 }, (_, i) =>
        narrow.tenancy.scope.run(contexts[i % 2]!, () => on.query<{ tenant_id: string }>('select distinct tenant_id from notes')),
      )
      await holder.query('commit')
      holder.release()
      const answers = await Promise.all(asked)
      for (const [i, { rows }] of answers.entries()) assert.deepEqual(rows, [{ tenant_id: contexts[i % 2]!.tenant.id }])
    } finally {
      await narrow.tenancy.close()
    }
  })

  test('a row for another tenant is refused by the policy', async () => {
    await assert.rejects(
      as(bob, () => pool.query("insert into notes (tenant_id, title) values ($1, 'x')", [scene.carol.id])),
      PolicyViolationError,
    )
  })

  test('callbacks are refused by name and at once, in every place', async () => {
    const never = () => assert.fail('a callback was called')
    const client = await as(bob, () => pool.connect())
    await as(bob, async () => {
      assert.throws(() => pool.query('select 1', never), CallbackRefusedError)
      assert.throws(() => pool.query('select 1', [], never), /CallbackRefused|somebody|another tenant/)
      assert.throws(() => pool.query({ text: 'select 1', callback: never } as never), CallbackRefusedError)
      assert.throws(() => pool.query(never as never), CallbackRefusedError)
      assert.throws(() => pool.connect(never), CallbackRefusedError)
      assert.throws(() => pool.end(never), CallbackRefusedError)
      assert.throws(() => client.query('select 1', never), CallbackRefusedError)
      assert.throws(() => client.query('select 1', [], never), CallbackRefusedError)
    })
    client.release()
  })

  test('a Submittable is refused by name', async () => {
    const client = await as(bob, () => pool.connect())
    for (const on of [pool, client as unknown as pg.Pool]) {
      assert.throws(() => scene.tenancy.scope.run(bob, () => on.query(new pg.Query('select 1'))), SubmittableRefusedError)
    }
    client.release()
  })

  test('two statements in one text are refused, also behind a COMMIT', async () => {
    await as(bob, async () => {
      await assert.rejects(pool.query('select 1; select 2'), StatementRefusedError)
      const client = await pool.connect()
      await client.query('begin')
      await client.query("update notes set body = 'changed'")
      for (const text of [
        'commit; delete from notes',
        'rollback; select 1',
        "begin; update notes set body = 'changed'",
        'begin isolation level chaos',
        "begin 'x'",
        'commit and chain',
        'commit prepared',
        'set transaction snapshot x',
      ]) {
        await assert.rejects(client.query(text), StatementRefusedError, text)
      }
      await client.query('rollback')
      client.release()
    })
    assert.equal(await bodies(), 0)
  })

  test('transaction control needs a client, and a transaction', async () => {
    await as(bob, async () => {
      await assert.rejects(pool.query('begin'), StatementRefusedError)
      const client = await pool.connect()
      for (const text of ['savepoint a', 'release a', 'rollback to a', 'set transaction read only']) {
        await assert.rejects(client.query(text), StatementRefusedError, text)
      }
      await client.query('begin')
      await assert.rejects(client.query('begin read only'), StatementRefusedError)
      client.release()
    })
  })

  test('COMMIT of a failed transaction throws, where pg resolves and nothing is there', async () => {
    await as(bob, async () => {
      const client = await pool.connect()
      await client.query('begin')
      await client.query("update notes set body = 'changed'")
      await assert.rejects(client.query('select 1/0'), pg.DatabaseError)
      await assert.rejects(client.query('commit'), TransactionAbortedError)
      // What an ORM does next is harmless.
      assert.equal((await client.query('rollback')).command, 'ROLLBACK')
      client.release()
    })
    assert.equal(await bodies(), 0)
  })

  test('a statement that timed out inside a savepoint can be rolled back to it', async () => {
    await as(bob, async () => {
      const client = await pool.connect()
      await client.query('begin')
      await client.query('savepoint a')
      const slow = { text: 'select pg_sleep(5)', query_timeout: 50 }
      await assert.rejects(client.query(slow), StatementTimeoutError)
      await client.query('rollback to a')
      assert.equal((await client.query('select 1 as n')).rows[0]?.['n'], 1)
      await client.query('commit')
      client.release()
    })
  })

  test('release() rolls an open transaction back, and gives its connection back', async () => {
    const own = scene.tenancy.pool()
    for (const reason of [undefined, true, new TypeError('the application failed')]) {
      await as(bob, async () => {
        const client = await own.connect()
        await client.query('begin')
        await client.query("update notes set body = 'changed'")
        client.release(reason)
        await assert.rejects(client.query('select 1'), TransactionClosedError)
      })
      await as(bob, () => own.query('select 1'))
    }
    await own.end()
    assert.equal(await bodies(), 0)
    assert.equal(pool.idleCount, pool.totalCount)
  })

  test('a client that is held takes no connection until it says something', async () => {
    const narrow = await stage(undefined, { pool: { connectionsMax: 1 } })
    try {
      const on = narrow.tenancy.pool()
      const context = createTenantContext({ tenant: narrow.bob })
      await narrow.tenancy.scope.run(context, async () => {
        const clients = await Promise.all(Array.from({ length: 20 }, () => on.connect()))
        await Promise.all(clients.map((client) => client.query('begin')))
        assert.equal((await on.query('select 1 as n')).rows[0]?.['n'], 1)
        for (const client of clients) client.release()
      })
      await on.end()
    } finally {
      await narrow.tenancy.close()
    }
  })

  test('what outlives a lease is refused through this door too', async () => {
    await as(bob, async () => {
      const client = await pool.connect()
      for (const text of [
        'set search_path = app',
        'listen x',
        'copy notes to stdout',
        'declare c cursor for select 1',
        'create table x ()',
        "select set_config('partywall.capability', '', false)",
      ]) {
        await assert.rejects(pool.query(text), StatementRefusedError, text)
        await assert.rejects(client.query(text), StatementRefusedError, text)
      }
      client.release()
    })
  })

  test('what is no query is refused', async () => {
    await as(bob, async () => {
      for (const bad of [undefined, null, 1, {}, { text: 1 }, { text: 'select 1', binary: true }, { text: 'select 1', rows: 5 }]) {
        await assert.rejects(pool.query(bad as never), InvalidInputError, JSON.stringify(bad))
      }
      await assert.rejects(pool.query('select 1', 'x' as never), InvalidInputError)
    })
  })

  test('it is a pg.Pool for those who ask, and makes no connection of its own', async () => {
    assert.ok(pool instanceof pg.Pool)
    const { Client } = pool as unknown as { Client: new () => unknown }
    assert.throws(() => new Client(), StatementRefusedError)
    assert.equal(pool.options.max, 10)
  })

  test('events tell of clients', async () => {
    const own = scene.tenancy.pool()
    const seen: string[] = []
    for (const event of ['connect', 'acquire', 'release', 'remove'] as const) own.on(event, () => seen.push(event))
    const client = await as(bob, () => own.connect())
    const removed = new Promise((resolve) => own.once('remove', resolve))
    client.release()
    assert.equal(await removed, client)
    assert.deepEqual(seen, ['connect', 'acquire', 'release', 'remove'])
  })

  test('end() waits for what runs, refuses what comes, and closes this door alone', async () => {
    const own = scene.tenancy.pool()
    const client = await as(bob, () => own.connect())
    const ended = own.end()
    assert.equal(own.ending, true)
    assert.equal(own.ended, false)
    await assert.rejects(
      as(bob, () => own.query('select 1')),
      ClosedError,
    )
    await assert.rejects(own.end(), ClosedError)
    client.release()
    await ended
    assert.equal(own.ended, true)
    assert.equal((await as(bob, () => pool.query('select 1 as n'))).rows[0]?.['n'], 1)
  })

  describe('Drizzle sits above it, unchanged:', () => {
    const notes = pgTable('notes', {
      tenantId: uuid('tenant_id').notNull().default(sql`partywall.tenant_id()`),
      id: uuid('id').notNull().default(sql`partywall.uuidv7()`),
      folderId: uuid('folder_id'),
      title: text('title').notNull(),
      body: text('body').notNull().default(''),
      number: integer('number').notNull().default(0),
    })
    const folders = pgTable('folders', { id: uuid('id').notNull(), name: text('name').notNull() })

    test('queries, joins, inserts and prepared statements', async () => {
      const db = drizzle({ client: pool })
      await as(bob, async () => {
        assert.equal(await db.$count(notes), rowsPerTenant)
        const joined = await db
          .select({ title: notes.title, folder: folders.name })
          .from(notes)
          .innerJoin(folders, eq(folders.id, notes.folderId))
          .where(eq(notes.number, 2))
        assert.deepEqual(joined, [{ title: "bob's note 2", folder: "bob's folder" }])
        const made = await db.insert(notes).values({ title: 'from drizzle' }).returning({ tenantId: notes.tenantId })
        assert.deepEqual(made, [{ tenantId: scene.bob.id }])
        const byNumber = db
          .select({ body: notes.body })
          .from(notes)
          .where(eq(notes.number, sql.placeholder('n')))
          .prepare('by_number')
        for (const n of [1, 2]) assert.deepEqual(await byNumber.execute({ n }), [{ body: 'secret of bob' }])
      })
      await as(carol, async () => {
        assert.deepEqual(await db.select().from(notes).where(eq(notes.title, 'from drizzle')), [])
        await db.delete(notes).where(eq(notes.title, 'from drizzle'))
      })
      await as(bob, async () => {
        const { rowCount } = await db.delete(notes).where(eq(notes.title, 'from drizzle'))
        assert.equal(rowCount, 1)
      })
    })

    test('transactions, isolation levels and savepoints', async () => {
      const own = scene.tenancy.pool()
      const db = drizzle({ client: own })
      await as(bob, async () => {
        await db.transaction(
          async (tx) => {
            await tx.insert(notes).values({ title: 'outer' })
            await assert.rejects(
              tx.transaction(async (nested) => {
                await nested.insert(notes).values({ title: 'inner' })
                await nested.insert(notes).values({ title: 'outer' })
              }),
            )
            assert.equal(await tx.$count(notes, and(eq(notes.title, 'inner'))), 0)
          },
          { isolationLevel: 'repeatable read', accessMode: 'read write' },
        )
        assert.equal(await db.$count(notes, eq(notes.title, 'outer')), 1)
        await assert.rejects(
          db.transaction(async (tx) => {
            await tx.delete(notes)
            tx.rollback()
          }),
        )
        assert.equal(await db.$count(notes), rowsPerTenant + 1)
        await db.delete(notes).where(eq(notes.title, 'outer'))
      })
      await own.end()
      assert.equal(pool.idleCount, pool.totalCount)
    })
  })
})
