// The lease: one statement, bound and sent in one flush; what ends it early; and what becomes of its connection.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { wiredStage } from '../support/wired.ts'

const asBob = <T>(here: Stage, fn: () => Promise<T>): Promise<T> => here.tenancy.run('bob', fn)
const notes = (here: Stage) => asBob(here, () => here.tenancy.query<{ title: string }>('select * from notes'))

/** The app's backends that do something, by alice. */
async function busyBackends(here: Stage): Promise<number> {
  const [row] = await here.aliceIn<{ count: number }>(
    here.bob,
    `select count(*)::int as count from pg_stat_activity
      where datname = current_database() and application_name = 'partywall' and state <> 'idle'`,
  )
  return row!.count
}

describe('one flush:', () => {
  test('bind and statement are one round trip, the first time and every time', async (t) => {
    const here = await wiredStage(t)
    await asBob(here, () => here.tenancy.query('select 1'))
    const trips = async (act: () => Promise<unknown>): Promise<number> => {
      const before = here.wire.roundTrips
      await asBob(here, act)
      return here.wire.roundTrips - before
    }
    const { tenancy } = here
    assert.equal(await trips(() => tenancy.query('select * from notes where number = $1', [1])), 1)
    assert.equal(await trips(() => tenancy.query('select * from notes where number = $1', [2])), 1)
    assert.equal(await trips(() => tenancy.query('update notes set number = number')), 1)
    assert.equal(await trips(() => tenancy.query('select * from notes', [], { timeoutMs: 1_000 })), 1)
    assert.equal(await trips(() => tenancy.transaction(async () => {})), 0)
    // BEGIN and the bind ride with the first statement; COMMIT is the other.
    assert.equal(await trips(() => tenancy.transaction((tx) => tx.query('select * from notes'))), 2)
  })

  test('a bind that is refused keeps the statement behind it from running', async (t) => {
    const here = await stage(t)
    await notes(here)
    await here.alice('delete from partywall.capabilities')
    await asBob(here, () => here.tenancy.query(`insert into notes (title) values ('once')`))
    assert.deepEqual(await here.alice(`select tenant_id from notes where title = 'once'`), [{ tenant_id: here.bob.id }])
  })
})

describe('prepared statements:', () => {
  test('a plan that a migration made stale is prepared anew, unseen by the caller', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 1 } })
    for (let i = 0; i < 7; i++) await notes(here)
    await here.migrate(`alter table notes add column colour text not null default 'red'`)
    for (let i = 0; i < 2; i++) {
      const { rows, fields } = await notes(here)
      assert.equal(rows.length, rowsPerTenant)
      assert.ok(fields.some((field) => field.name === 'colour'))
    }
    assert.equal(here.tenancy.stats().connections.open, 1)
  })

  test('past 256 texts the coldest are closed, on the server too, and come back when asked', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 1 } })
    const nth = (n: number) => asBob(here, () => here.tenancy.query<Record<string, number>>(`select ${n} as v${n}`))
    for (let round = 0; round < 2; round++) for (let n = 0; n < 300; n++) assert.deepEqual((await nth(n)).rows, [{ [`v${n}`]: n }])
    const { rows } = await asBob(here, () =>
      here.tenancy.query<{ kept: number }>('select count(*)::int as kept from pg_prepared_statements'),
    )
    // 256 of the callers', and the one or two that bind (or ask for what is bound).
    assert.ok(rows[0]!.kept <= 259, String(rows[0]!.kept))
  })

  test('a statement that fails to parse leaves nothing behind that the next one could trip over', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 1 } })
    for (let i = 0; i < 3; i++) {
      await assert.rejects(
        asBob(here, () => here.tenancy.query('selec 1')),
        { code: 'PW_STATEMENT_REFUSED' },
      )
      await assert.rejects(
        asBob(here, () => here.tenancy.query('select from where')),
        { code: '42601' },
      )
      await assert.rejects(
        asBob(here, () => here.tenancy.query('select nothing_such')),
        { code: '42703' },
      )
      assert.equal((await notes(here)).rowCount, rowsPerTenant)
    }
    assert.equal(here.tenancy.stats().connections.open, 1)
  })
})

describe('values:', () => {
  test('go and come back as pg’s own do: text, bytes, numbers, dates, arrays, json, nulls', async (t) => {
    const here = await stage(t)
    const bytes = Buffer.from([0, 1, 2, 255])
    const when = new Date('2026-01-02T03:04:05.678Z')
    const { rows } = await asBob(here, () =>
      here.tenancy.query(
        'select $1::text as a, $2::bytea as b, $3::int as c, $4::timestamptz as d, $5::text[] as e, $6::jsonb as f, $7::text as g, $8::int8 as h',
        ['ü😀', bytes, 42, when, ['x', null, 'y"'], { k: [1] }, undefined, 9_007_199_254_740_993n],
      ),
    )
    assert.deepEqual(rows, [{ a: 'ü😀', b: bytes, c: 42, d: when, e: ['x', null, 'y"'], f: { k: [1] }, g: null, h: '9007199254740993' }])
  })

  test('ten megabytes pass; 40,000 parameters too; 65,536 are refused by name; the connection lives', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 1 } })
    const big = 'x'.repeat(10_000_000)
    assert.equal((await asBob(here, () => here.tenancy.query<{ n: number }>('select length($1) as n', [big]))).rows[0]?.n, big.length)
    const many = (count: number) =>
      asBob(here, () =>
        here.tenancy.query<{ n: number }>(
          `select cardinality(array[${Array.from({ length: count }, (_, i) => `$${i + 1}`).join(',')}]::text[]) as n`,
          Array.from({ length: count }, () => 'v'),
        ),
      )
    assert.equal((await many(40_000)).rows[0]?.n, 40_000)
    await assert.rejects(many(65_536), { code: 'PW_INVALID_INPUT' })
    assert.equal((await notes(here)).rowCount, rowsPerTenant)
    assert.equal(here.tenancy.stats().connections.open, 1)
  })

  test('a NUL in a value, a value that cannot be sent, one too few: an error each, and the connection lives', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 1 } })
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    await assert.rejects(
      asBob(here, () => here.tenancy.query('select $1::text', ['a\0b'])),
      { code: '22021' },
    )
    await assert.rejects(
      asBob(here, () => here.tenancy.query('select $1::jsonb', [circle])),
      { code: 'PW_INVALID_INPUT' },
    )
    await assert.rejects(
      asBob(here, () => here.tenancy.query('select $1::text, $2::text', ['a'])),
      { code: '08P01' },
    )
    assert.equal((await notes(here)).rowCount, rowsPerTenant)
    assert.equal(here.tenancy.stats().connections.open, 1)
  })

  test('a type parser that throws fails its own statement and no other', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 1 } })
    const types = {
      getTypeParser: () => () => {
        throw new RangeError('not today')
      },
    }
    await assert.rejects(
      asBob(here, () => here.tenancy.query('select title from notes', [], { types })),
      { name: 'RangeError', message: 'not today' },
    )
    assert.equal((await asBob(here, () => here.tenancy.query('select title from notes'))).rowCount, rowsPerTenant)
    assert.equal(here.tenancy.stats().queue.inUse, 0)
  })
})

describe('a statement that takes too long', () => {
  test('is ended by the server at its own timeout, and the connection lives', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 1 } })
    await assert.rejects(
      asBob(here, () => here.tenancy.query('select pg_sleep(60)', [], { timeoutMs: 50 })),
      { code: 'PW_STATEMENT_TIMEOUT' },
    )
    assert.equal((await notes(here)).rowCount, rowsPerTenant)
    assert.equal(await busyBackends(here), 0)
  })

  test('is ended by its signal: the backend stops, the connection is destroyed, the next call gets another', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 1 } })
    await notes(here)
    const stop = new AbortController()
    const sleeping = asBob(here, () => here.tenancy.query('select pg_sleep(60)', [], { signal: stop.signal }))
    sleeping.catch(() => {})
    while ((await busyBackends(here)) === 0) await new Promise((resolve) => setImmediate(resolve))
    stop.abort(new RangeError('the caller left'))
    await assert.rejects(sleeping, { code: 'PW_ABORTED' })
    assert.equal((await notes(here)).rowCount, rowsPerTenant)
    while ((await busyBackends(here)) > 0) await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(here.tenancy.stats().connections, { open: 1, idle: 1 })
  })

  test('is never sent when its signal was aborted before', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 1 } })
    await notes(here)
    const insert = () => here.tenancy.query(`insert into notes (title) values ('never')`, [], { signal: AbortSignal.abort() })
    await assert.rejects(asBob(here, insert), { code: 'PW_ABORTED' })
    assert.deepEqual(await here.alice(`select from notes where title = 'never'`), [])
    assert.deepEqual(here.tenancy.stats().connections, { open: 1, idle: 1 })
  })

  test('gives up its place in the queue with its signal, and at the deadline', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 1 }, admission: { deadlineMs: 100 } })
    const [stop, leave] = [new AbortController(), new AbortController()]
    const holder = asBob(here, () => here.tenancy.query('select pg_sleep(60)', [], { signal: stop.signal }))
    holder.catch(() => {})
    while (here.tenancy.stats().queue.inUse === 0) await new Promise((resolve) => setImmediate(resolve))
    const waiter = asBob(here, () => here.tenancy.query('select 1', [], { signal: leave.signal }))
    leave.abort()
    await assert.rejects(waiter, { code: 'PW_ABORTED' })
    await assert.rejects(
      asBob(here, () => here.tenancy.query('select 1')),
      { code: 'PW_ADMISSION_TIMEOUT' },
    )
    stop.abort()
    await assert.rejects(holder, { code: 'PW_ABORTED' })
  })
})

describe('capabilities of a tiny life', () => {
  test('are renewed in mid-flight: two seconds of one-second lives, and no call fails', async (t) => {
    const here = await stage(t, { capabilityTtlMs: 1_000, pool: { connectionsMax: 2 } })
    const end = performance.now() + 2_000
    let calls = 0
    while (performance.now() < end) {
      assert.equal((await notes(here)).rowCount, rowsPerTenant)
      await asBob(here, () => here.tenancy.transaction((tx) => tx.query('select 1 from notes')))
      calls += 2
    }
    assert.ok(calls > 10)
  })

  test('that are refused are replaced once, and the caller is told only when that fails too', async (t) => {
    const here = await stage(t)
    await notes(here)
    await here.alice('delete from partywall.capabilities')
    assert.equal((await notes(here)).rowCount, rowsPerTenant)
    // A world in which every capability is refused: issued, and gone before it is used.
    await here.aliceIn(
      here.bob,
      `
      create function partywall.swallow() returns trigger language plpgsql as $$ begin return null; end $$;`,
    )
    await here.aliceIn(
      here.bob,
      'create trigger swallow before insert on partywall.capabilities for each row execute function partywall.swallow()',
    )
    await here.alice('delete from partywall.capabilities')
    await assert.rejects(notes(here), { code: 'PW_CAPABILITY_REFUSED', retryable: true })
    await here.aliceIn(here.bob, 'drop trigger swallow on partywall.capabilities')
    assert.equal((await notes(here)).rowCount, rowsPerTenant)
  })
})
