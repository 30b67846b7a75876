// The database is down, slow, full, restarted in mid-flight: a typed error that says whether to try again, and recovery without
// a restart of the application.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { sharesTables } from '../support/isolation.ts'
import { wiredStage } from '../support/wired.ts'

const notes = (here: Stage) => here.tenancy.run('bob', () => here.tenancy.query('select * from notes'))

async function assertServed(here: Stage): Promise<void> {
  assert.equal((await notes(here)).rowCount, rowsPerTenant)
  assert.equal(here.tenancy.stats().queue.inUse, 0)
}

async function sleeping(here: Stage): Promise<void> {
  for (;;) {
    const rows = await here.aliceIn(here.bob, `select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`)
    if (rows.length > 0) return
  }
}

describe('a connection that breaks', () => {
  test('under a statement that only reads: safe to try again; under one that may write: not', async (t) => {
    const here = await wiredStage(t)
    for (const [text, retryable] of [
      ['select pg_sleep(60)', true],
      ['with s as (select pg_sleep(60)) insert into notes (title) select $$torn$$ from s', false],
    ] as const) {
      await assertServed(here)
      const torn = here.tenancy.run('bob', () => here.tenancy.query(text))
      torn.catch(() => {})
      await sleeping(here)
      here.wire.cut()
      await assert.rejects(torn, { code: 'PW_CONNECTION_LOST', retryable })
      await here.aliceIn(
        here.bob,
        `select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()`,
      )
      await assertServed(here)
    }
  })

  test('while idle is replaced before anybody notices', async (t) => {
    const here = await wiredStage(t)
    await assertServed(here)
    here.wire.cut()
    while (here.tenancy.stats().connections.open > 0) await new Promise((resolve) => setImmediate(resolve))
    await assertServed(here)
  })

  test('inside a transaction ends it, and COMMIT says that nothing was kept', async (t) => {
    const here = await wiredStage(t)
    const torn = here.tenancy.run('bob', () =>
      here.tenancy.transaction(async (tx) => {
        await tx.query(`insert into notes (title) values ('torn')`)
        here.wire.cut()
        await tx.query('select 1')
      }),
    )
    await assert.rejects(torn, { code: 'PW_CONNECTION_LOST' })
    assert.deepEqual(await here.alice(`select from notes where title = 'torn'`), [])
    await assertServed(here)
  })
})

describe('a server', () => {
  test('that ends all sessions, as at a restart, costs the calls under way and no other', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 2 } })
    await assertServed(here)
    const torn = here.tenancy.run('bob', () => here.tenancy.query('select pg_sleep(60)'))
    torn.catch(() => {})
    await sleeping(here)
    const end = `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`
    await here.aliceIn(here.bob, end)
    if (!sharesTables) await here.aliceInCatalog(end)
    await assert.rejects(torn, (error: { code: string }) => /^PW_(CONNECTION_LOST|DATABASE_UNAVAILABLE)$/.test(error.code))
    // The control plane's connections are gone as well, and a capability may be asked for over them.
    await here.alice('delete from partywall.capabilities')
    for (let i = 0; ; i++) {
      const error = await notes(here).then(
        () => undefined,
        (thrown: { code: string }) => thrown,
      )
      if (error === undefined) break
      assert.match(error.code, /^PW_(CONNECTION_LOST|DATABASE_UNAVAILABLE)$/)
      assert.ok(i < 5)
    }
    await assertServed(here)
  })

  test('that refuses connections gives a retryable error, and serves again when it accepts', async (t) => {
    const here = await wiredStage(t)
    await assertServed(here)
    here.wire.refuse()
    here.wire.cut()
    while (here.tenancy.stats().connections.open > 0) await new Promise((resolve) => setImmediate(resolve))
    for (let i = 0; i < 3; i++) await assert.rejects(notes(here), { code: 'PW_DATABASE_UNAVAILABLE', retryable: true })
    here.wire.accept()
    // Whoever comes during the short pause after a failure is refused at once, without a try.
    while ((await notes(here).catch((error: { code: string }) => error.code)) === 'PW_DATABASE_UNAVAILABLE') {
      await new Promise((resolve) => setImmediate(resolve))
    }
    await assertServed(here)
  })

  test('that has no connections left gives a retryable error', async (t) => {
    const here = await stage(t)
    await here.aliceIn(here.bob, `do $$ begin execute format('alter database %I connection limit 1', current_database()); end $$`)
    await assert.rejects(notes(here), { code: 'PW_DATABASE_UNAVAILABLE', retryable: true })
    await here.aliceIn(here.bob, `do $$ begin execute format('alter database %I connection limit -1', current_database()); end $$`)
    await assertServed(here)
  })

  test('that falls silent is given up: by the signal at once, by the clock a little after the timeout', async (t) => {
    const here = await wiredStage(t)
    await assertServed(here)
    here.wire.freeze()
    const stop = new AbortController()
    const silent = here.tenancy.run('bob', () => here.tenancy.query('select 1', [], { signal: stop.signal }))
    setImmediate(() => stop.abort())
    await assert.rejects(silent, { code: 'PW_ABORTED' })
    await assertServed(here)
    here.wire.freeze()
    await assert.rejects(
      here.tenancy.run('bob', () => here.tenancy.query('select 1', [], { timeoutMs: 1 })),
      { code: 'PW_STATEMENT_TIMEOUT' },
    )
    await assertServed(here)
  })
})

describe('an error of the server’s', () => {
  const reported: readonly [string, string, boolean][] = [
    ['53100', 'PW_DATABASE_FULL', false],
    ['53200', 'PW_DATABASE_FULL', false],
    ['53400', 'PW_DATABASE_FULL', false],
    ['53300', 'PW_DATABASE_UNAVAILABLE', true],
    ['57P03', 'PW_DATABASE_UNAVAILABLE', true],
    ['40001', 'PW_SERIALIZATION', true],
    ['40P01', 'PW_SERIALIZATION', true],
    ['57014', 'PW_STATEMENT_TIMEOUT', true],
    ['25P03', 'PW_TRANSACTION_TIMEOUT', true],
  ]
  test('becomes one of ours, and the connection lives', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 1 } })
    await here.migrate(`
      create function fail(code text) returns integer language plpgsql as $$ begin raise exception using errcode = code, message = 'simulated'; end $$;
      grant execute on function fail(text) to partywall_app, partywall_tenants`)
    for (const [sqlstate, code, retryable] of reported) {
      const failing = here.tenancy.run('bob', () => here.tenancy.query('select fail($1)', [sqlstate]))
      await assert.rejects(failing, { code, retryable }, sqlstate)
      await assertServed(here)
    }
    await assert.rejects(
      here.tenancy.run('bob', () => here.tenancy.query('select fail($1)', ['23505'])),
      { code: '23505' },
    )
    assert.equal(here.tenancy.stats().connections.open, 1)
  })
})
