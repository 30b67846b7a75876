// The same calls on pg.Pool and on its look-alike, compared deeply. The reference is a superuser on a database of its own in
// which bob is alone; behind the wall bob lives beside carol and dave.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { createTenantContext } from '../../src/core/tenant-context.ts'
import type { TenantPool } from '../../src/postgres/tenant-pool.ts'
import { type Stage, stage } from '../support/cast.ts'
import { testDatabase } from '../support/database.ts'

let scene: Stage
let reference: pg.Pool
let pool: TenantPool
let asBob: <T>(fn: () => Promise<T>) => Promise<T>

type Call = (pool: pg.Pool) => Promise<unknown>

/** Runs the call on both and compares what it resolves or rejects with. */
async function same(call: Call): Promise<unknown> {
  const [theirs, ours] = [await outcome(call, reference), await asBob(() => outcome(call, pool))]
  assert.deepEqual(ours, theirs)
  return ours
}

async function outcome(call: Call, on: pg.Pool): Promise<unknown> {
  try {
    return seen(await call(on))
  } catch (error) {
    const { code, constraint, table, column, severity, detail } = error as pg.DatabaseError
    return { rejected: error instanceof pg.DatabaseError ? { code, constraint, table, column, severity, detail } : String(error) }
  }
}

/** What a user sees of a result; the ids of tables and composite types differ from database to database. */
function seen(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(seen)
  if (!(value instanceof pg.Result)) return value
  const { command, rowCount, oid, rows, fields } = value
  const { rowAsArray } = value as unknown as { rowAsArray: boolean }
  const columns = fields.map(({ tableID, ...field }) => ({ ...field, isOfTable: tableID > 0 }))
  return { command, rowCount, oid, rows, columns, rowAsArray }
}

/** With a client that is given back whatever happens. */
function withClient(fn: (client: pg.PoolClient) => Promise<unknown>): Call {
  return async (on) => {
    const client = await on.connect()
    try {
      return await fn(client)
    } finally {
      client.release(true)
    }
  }
}

const everyType = `select 1::int2 as a, 2::int4 as b, 3::int8 as c, 1.5::float8 as d, 2.50::numeric as e, true as f, 'text' as g,
  '2026-01-02'::date as h, '2026-01-02 03:04:05+00'::timestamptz as i, '{"a":[1,null]}'::jsonb as j, '{1,2}'::int[] as k,
  '\\x00ff'::bytea as l, interval '1 day 2 hours' as m, null::text as n, '{a,"b c"}'::text[] as o, point(1, 2) as p`

describe('pg.Pool and its look-alike:', () => {
  before(async () => {
    scene = await stage()
    const alone = await testDatabase()
    const inApp = alone.superuserIn('app')
    await inApp.query(`
    create table notes (
      tenant_id uuid not null, id uuid not null default gen_random_uuid(), folder_id uuid, title text not null, body text not null default '',
      number integer not null default 0, created_at timestamptz not null default now(), primary key (tenant_id, id),
      constraint notes_title_key unique (tenant_id, title)
    )`)
    const { rows } = { rows: await scene.aliceIn(scene.bob, 'select * from notes where tenant_id = $1', [scene.bob.id]) }
    await inApp.query('insert into notes select * from jsonb_populate_recordset(null::notes, $1)', [JSON.stringify(rows)])
    reference = new pg.Pool({ connectionString: alone.urls.superuser, options: '-c search_path=app,pg_temp', max: 4 })
    pool = scene.tenancy.pool()
    const context = createTenantContext({ tenant: scene.bob })
    asBob = (fn) => scene.tenancy.scope.run(context, fn)
  })

  after(async () => {
    await reference.end()
    await scene.tenancy.close()
  })

  describe('the look-alike answers as pg.Pool does:', () => {
    const calls: Record<string, Call> = {
      'a text': (on) => on.query('select title, number from notes order by number'),
      'a text with values': (on) => on.query('select title from notes where number > $1 and title <> $2 order by 1', [2, 'x']),
      'an object': (on) => on.query({ text: 'select $1::int as n', values: [7] }),
      'an object and values beside it': (on) => on.query({ text: 'select $1::int as n' } as pg.QueryConfig, [8]),
      'values beside the object come before those in it': (on) => on.query({ text: 'select $1::int as n', values: [1] }, [2]),
      'rows as arrays': (on) => on.query({ text: 'select number, title from notes order by 1', rowMode: 'array' }),
      'every type': (on) => on.query(everyType),
      'every type, as arrays': (on) => on.query({ text: everyType, rowMode: 'array' }),
      'two columns of one name': (on) => on.query('select 1 as a, 2 as a'),
      'a column named __proto__': async (on) => Object.keys((await on.query('select 1 as "__proto__"')).rows[0]),
      'no rows': (on) => on.query('select title from notes where false'),
      'no columns': (on) => on.query('select from notes'),
      'an empty text': (on) => on.query(''),
      'a comment alone': (on) => on.query('-- nothing'),
      'a trailing semicolon': (on) => on.query('select 1 as n;'),
      'values of every kind': (on) =>
        on.query(
          'select $1::text a, $2::int b, $3::bool c, $4::jsonb d, $5::int[] e, $6::bytea f, $7::timestamptz g, $8::text h, $9::int8 i',
          [
            'ä"\\\'',
            42,
            false,
            { a: { b: 1 } },
            [1, 2, 3],
            Buffer.from([0, 255]),
            new Date('2026-01-01T00:00:00Z'),
            undefined,
            12345678901234567890n % 1000n,
          ],
        ),
      'an update that meets nothing': (on) => on.query('update notes set body = $1 where false', ['x']),
      'an update': (on) => on.query('update notes set body = $1 where number = 1', ['seen']),
      'an insert that returns': (on) =>
        on.query('insert into notes (tenant_id, title, number) values ($1, $2, 99) returning title, number', [scene.bob.id, 'new']),
      'a delete': (on) => on.query('delete from notes where number = 99'),
      'a common table expression': (on) => on.query('with n as (select number from notes) select sum(number) as s from n'),
      'values as a table': (on) => on.query("values (1, 'a'), (2, 'b')"),
      'an error of syntax': (on) => on.query('selec 1'.replace('selec', 'select select')),
      'a table that is not there': (on) => on.query('select 1 from nowhere'),
      'a division by zero': (on) => on.query('select 1/0'),
      'a value that does not parse': (on) => on.query('select $1::int', ['x']),
      'a unique key': async (on) => {
        const key = await on.query('select tenant_id, id from notes where number = 2').then(({ rows }) => rows[0])
        // Without the detail, which has the random id in it.
        return await on
          .query('insert into notes (tenant_id, id, title) values ($1, $2, $3)', [key.tenant_id, key.id, 'twice'])
          .catch((error) => error.code)
      },
      'a name, twice': async (on) => [
        await on.query({ name: 'by number', text: 'select title from notes where number = $1', values: [1] }),
        await on.query({ name: 'by number', text: 'select title from notes where number = $1', values: [2] }),
      ],
      'type parsers of one query': (on) =>
        on.query({
          text: 'select 1::int8 as a, now() is null as b',
          types: { getTypeParser: () => (value: string) => `<${value}>` } as never,
        }),
      'type parsers of one query do not stay': (on) => on.query('select 1::int8 as a, now() is null as b'),
    }
    for (const [name, call] of Object.entries(calls)) test(name, async () => void (await same(call)))

    test('and what is compared is not empty', async () => {
      const result = (await same(calls['a text']!)) as { rows: unknown[] }
      assert.equal(result.rows.length, 5)
    })
  })

  describe('a client of the look-alike behaves as a PoolClient does:', () => {
    const calls: Record<string, Call> = {
      'a transaction that commits': withClient(async (c) => [
        await c.query('BEGIN'),
        await c.query('update notes set body = $1 where number = 3 returning body', ['in']),
        await c.query('COMMIT'),
        await c.query('select body from notes where number = 3'),
      ]),
      'a transaction that rolls back': withClient(async (c) => [
        await c.query('begin'),
        await c.query("update notes set body = 'lost' where number = 3"),
        await c.query('rollback'),
        await c.query('select body from notes where number = 3'),
      ]),
      'other spellings': withClient(async (c) => [
        await c.query('START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE'),
        await c.query(
          "select current_setting('transaction_isolation'), current_setting('transaction_read_only'), current_setting('transaction_deferrable')",
        ),
        await c.query('END'),
        await c.query('/* why */ begin work;'),
        await c.query('ABORT TRANSACTION'),
        await c.query('begin isolation level repeatable read read write not deferrable'),
        await c.query(
          "select current_setting('transaction_isolation'), current_setting('transaction_read_only'), current_setting('transaction_deferrable')",
        ),
        await c.query('commit'),
      ]),
      'SET TRANSACTION, before the first statement and after': withClient(async (c) => [
        await c.query('begin'),
        await c.query('set transaction isolation level serializable'),
        await c.query("select current_setting('transaction_isolation')"),
        await c.query('set transaction read only'),
        await c.query("select current_setting('transaction_read_only')"),
        await c.query("update notes set body = ''").catch((error) => error.code),
        await c.query('rollback'),
      ]),
      savepoints: withClient(async (c) => [
        await c.query('begin'),
        await c.query("update notes set body = 'kept' where number = 4"),
        await c.query('savepoint "A b"'),
        await c.query("update notes set body = 'gone' where number = 4"),
        await c.query('select 1/0').catch((error) => error.code),
        await c.query('select 1').catch((error) => error.code),
        await c.query('rollback to savepoint "A b"'),
        await c.query('release savepoint "A b"'),
        await c.query('commit'),
        await c.query('select body from notes where number = 4'),
      ]),
      'an empty transaction': withClient(async (c) => [await c.query('begin'), await c.query('commit')]),
      'a failed transaction that is rolled back': withClient(async (c) => [
        await c.query('begin'),
        await c.query('select 1/0').catch((error) => error.code),
        await c.query('select 1').catch((error) => error.code),
        await c.query('rollback'),
        await c.query('select 1 as n'),
      ]),
      'statements sent without waiting run in order': withClient(async (c) =>
        Promise.all([
          c.query('begin'),
          c.query("update notes set body = 'first' where number = 5"),
          c.query("update notes set body = body || ' second' where number = 5"),
          c.query('commit'),
          c.query('select body from notes where number = 5'),
        ]),
      ),
      'BEGIN inside a transaction and COMMIT outside one warn': withClient(async (c) => {
        const notices: unknown[] = []
        c.on('notice', ({ severity, code, message }) => notices.push({ severity, code, message }))
        const results = [
          await c.query('begin'),
          await c.query('select 1'),
          await c.query('begin'),
          await c.query('commit'),
          await c.query('commit'),
          await c.query('rollback'),
        ]
        return [...results, notices]
      }),
      'type parsers of a client': withClient(async (c) => {
        c.setTypeParser(20, (value) => `big ${value}`)
        const first = await c.query('select 5::int8 as n')
        c.setTypeParser(20, 'text', (value) => `bigger ${value}`)
        return [first, await c.query('select 5::int8 as n'), (c.getTypeParser(20, 'text') as (v: string) => string)('1')]
      }),
      escapes: withClient(async (c) => [c.escapeIdentifier('a"b'), c.escapeLiteral("a'b\\")]),
      'a transaction left open is rolled back by release()': async (on) => {
        const client = await on.connect()
        await client.query('begin')
        await client.query("update notes set body = 'left' where number = 1")
        client.release(true)
        return await on.query('select body from notes where number = 1')
      },
      'the state of the transaction': withClient(async (c) => {
        const states = [c.getTransactionStatus()]
        await c.query('begin')
        await c.query('select 1')
        states.push(c.getTransactionStatus())
        await c.query('select 1/0').catch(() => {})
        // pg learns of it with the next answer.
        await c.query('select 1').catch(() => {})
        states.push(c.getTransactionStatus())
        await c.query('rollback')
        return [...states, c.getTransactionStatus()]
      }),
    }
    for (const [name, call] of Object.entries(calls)) test(name, async () => void (await same(call)))

    test('a name that stands for another text is an error on both', async () => {
      const call = withClient(async (c) => {
        await c.query({ name: 'n', text: 'select 1' })
        return await c.query({ name: 'n', text: 'select 2' }).catch((error: Error) => /must be unique/.test(error.message))
      })
      assert.equal(await call(reference), true)
      assert.equal(await asBob(() => call(pool)), true)
    })

    test('release() twice is an error on both', async () => {
      for (const on of [reference, pool]) {
        await asBob(async () => {
          const client = await on.connect()
          client.release()
          assert.throws(() => client.release(), /Release called on client which has already been released to the pool/)
        })
      }
    })
  })
})
