// Transactions: nothing before the first statement, everything or nothing after it, and no way out of the tenant.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TenantTransaction } from '../../src/postgres/transaction.ts'
import type { TransactionOptions } from '../../src/postgres/transaction-options.ts'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { hasOwnDatabase } from '../support/isolation.ts'

const single = { pool: { connectionsMax: 1 } }

const asBob = <T>(here: Stage, fn: (tx: TenantTransaction) => Promise<T>, options?: TransactionOptions): Promise<T> =>
  here.tenancy.run('bob', () => here.tenancy.transaction(fn, options))
const insert = (tx: TenantTransaction, title: string) => tx.query('insert into notes (title) values ($1)', [title])

async function titles(here: Stage, like: string): Promise<readonly string[]> {
  const rows = await here.alice<{ title: string }>('select title from notes where title like $1 order by title', [like])
  return rows.map(({ title }) => title)
}

/** Clean: the pool is whole and idle, no slot is held, the next tenant is served. */
async function assertClean(here: Stage): Promise<void> {
  const { connections, queue } = here.tenancy.stats()
  assert.equal(connections.open, connections.idle)
  assert.equal(queue.inUse, 0)
  const { rows } = await here.tenancy.run('carol', () => here.tenancy.query<{ title: string }>('select title from notes'))
  assert.equal(rows.length, rowsPerTenant)
  assert.ok(rows.every(({ title }) => title.startsWith('carol')))
}

describe('a transaction', () => {
  test('commits when its callback resolves and rolls back when it throws', async (t) => {
    const here = await stage(t, single)
    assert.equal(await asBob(here, async (tx) => (await insert(tx, 'kept')).rowCount), 1)
    const failure = new RangeError('the application failed')
    await assert.rejects(
      asBob(here, async (tx) => {
        await insert(tx, 'dropped')
        throw failure
      }),
      failure,
    )
    assert.deepEqual(await titles(here, '%ped'), [])
    assert.deepEqual(await titles(here, 'kept'), ['kept'])
    await assertClean(here)
  })

  test('takes no connection before its first statement', async (t) => {
    const here = await stage(t, single)
    await asBob(here, async (tx) => {
      assert.equal(tx.isBegun, false)
      assert.equal(here.tenancy.stats().queue.inUse, 0)
      // The only connection is free for others meanwhile.
      assert.equal((await here.tenancy.query('select * from notes')).rowCount, rowsPerTenant)
      await tx.query('select 1')
      assert.equal(here.tenancy.stats().queue.inUse, 1)
    })
  })

  test('says so when COMMIT turned into ROLLBACK, because a failure was swallowed', async (t) => {
    const here = await stage(t, single)
    await assert.rejects(
      asBob(here, async (tx) => {
        await insert(tx, 'lost')
        await tx.query('select 1 / 0').catch(() => {})
      }),
      { code: 'PW_TRANSACTION_ABORTED' },
    )
    assert.deepEqual(await titles(here, 'lost'), [])
    await assertClean(here)
  })

  test('is closed after its end, and waits for statements nobody awaited', async (t) => {
    const here = await stage(t, single)
    let escaped: TenantTransaction | undefined
    await asBob(here, async (tx) => {
      escaped = tx
      void insert(tx, 'floating 1')
      void insert(tx, 'floating 2')
    })
    assert.deepEqual(await titles(here, 'floating%'), ['floating 1', 'floating 2'])
    await assert.rejects(insert(escaped!, 'late'), { code: 'PW_TRANSACTION_CLOSED' })
    await assert.rejects(
      escaped!.savepoint(async () => {}),
      { code: 'PW_TRANSACTION_CLOSED' },
    )
    await assert.rejects(Array.fromAsync(escaped!.stream('select 1')), { code: 'PW_TRANSACTION_CLOSED' })
    await assertClean(here)
  })

  test('cannot be begun, ended or bound anew from inside', async (t) => {
    const here = await stage(t, single)
    const texts = [
      'begin',
      'commit',
      'rollback',
      'end',
      'abort',
      'start transaction',
      'commit and chain',
      `prepare transaction 'x'`,
      'set role x',
      `select set_config('partywall.capability', '', true)`,
    ]
    for (const text of texts)
      await assert.rejects(
        asBob(here, (tx) => tx.query(text)),
        { code: 'PW_STATEMENT_REFUSED' },
        text,
      )
    await assertClean(here)
  })

  test('is read-only, or of the isolation level that was asked for', async (t) => {
    const here = await stage(t, single)
    const level = async (options: TransactionOptions) =>
      (await asBob(here, (tx) => tx.query<Record<string, string>>('show transaction_isolation'), options)).rows[0]?.[
        'transaction_isolation'
      ]
    for (const isolation of ['read committed', 'repeatable read', 'serializable'] as const)
      assert.equal(await level({ isolation }), isolation)
    assert.equal(await level({ isolation: 'serializable', readOnly: true, deferrable: true }), 'serializable')
    await assert.rejects(
      asBob(here, (tx) => insert(tx, 'x'), { readOnly: true }),
      { code: '25006' },
    )
    await assert.rejects(
      asBob(here, (tx) => tx.query('select 1'), { isolation: 'read committed; select 1' as never }),
      { code: 'PW_INVALID_INPUT' },
    )
    await assertClean(here)
  })

  test('that collides is told so in a word that says: try again', async (t) => {
    const here = await stage(t, { pool: { connectionsMax: 4 } })
    const bump = (tx: TenantTransaction) => tx.query('update notes set number = number + 1')
    await assert.rejects(
      asBob(
        here,
        async (tx) => {
          await tx.query('select * from notes')
          await asBob(here, bump)
          await bump(tx)
        },
        { isolation: 'repeatable read' },
      ),
      { code: 'PW_SERIALIZATION', retryable: true },
    )
    await assertClean(here)
  })

  test('starts with a plan that a migration made stale, and is begun again', async (t) => {
    const here = await stage(t, single)
    for (let i = 0; i < 7; i++) await asBob(here, (tx) => tx.query('select * from notes'))
    await here.migrate('alter table notes add column colour text')
    assert.equal((await asBob(here, (tx) => tx.query('select * from notes'))).rowCount, rowsPerTenant)
    await assertClean(here)
  })
})

describe('savepoints', () => {
  test('undo what failed inside them and keep the rest', async (t) => {
    const here = await stage(t, single)
    await asBob(here, async (tx) => {
      await insert(tx, 's outer')
      await tx.savepoint(async () => {
        await insert(tx, 's inner')
        await assert.rejects(
          tx.savepoint(async () => {
            await insert(tx, 's innermost')
            await tx.query('select 1 / 0')
          }),
          { code: '22012' },
        )
        await insert(tx, 's again')
      })
    })
    assert.deepEqual(await titles(here, 's %'), ['s again', 's inner', 's outer'])
    await assertClean(here)
  })

  test('do not undo the bind, even when they come first', async (t) => {
    const here = await stage(t, single)
    await asBob(here, async (tx) => {
      await tx.query('savepoint first')
      await tx.query('select 1 / 0').catch(() => {})
      await tx.query('rollback to savepoint first')
      assert.equal((await tx.query('select * from notes')).rowCount, rowsPerTenant)
    })
    await assertClean(here)
  })

  test('undo a timeout that was set inside them, and the next statement sets its own again', async (t) => {
    const here = await stage(t, single)
    const timeout = async (tx: TenantTransaction, timeoutMs?: number) =>
      (await tx.query<{ statement_timeout: string }>('show statement_timeout', [], { timeoutMs })).rows[0]?.statement_timeout
    await asBob(here, async (tx) => {
      await tx.query('savepoint a')
      assert.equal(await timeout(tx, 1_111), '1111ms')
      await tx.query('rollback to savepoint a', [], { timeoutMs: 1_111 })
      assert.equal(await timeout(tx, 1_111), '1111ms')
      assert.equal(await timeout(tx), '30s')
    })
    await assertClean(here)
  })

  test('are bounded', async (t) => {
    const here = await stage(t, single)
    const dig = (tx: TenantTransaction): Promise<void> => tx.savepoint(dig)
    await assert.rejects(asBob(here, dig), { code: 'PW_INVALID_INPUT' })
    await assertClean(here)
  })
})

describe('streams', () => {
  const many = 'select g from generate_series(1, 2500) as g'

  test('give every row in its order, a batch at a time', async (t) => {
    const here = await stage(t, single)
    const rows = await here.tenancy.run('bob', () => Array.fromAsync(here.tenancy.stream<{ g: number }>(many, [], { batchSize: 7 })))
    assert.deepEqual(
      rows.map(({ g }) => g),
      Array.from({ length: 2500 }, (_, i) => i + 1),
    )
    await assertClean(here)
  })

  test('end clean when the reader stops early, throws, or the statement fails on the way', async (t) => {
    const here = await stage(t, single)
    await here.tenancy.run('bob', async () => {
      for await (const _ of here.tenancy.stream(many, [], { batchSize: 1 })) break
    })
    await assertClean(here)
    const failure = new RangeError('the reader failed')
    await assert.rejects(
      here.tenancy.run('bob', async () => {
        for await (const _ of here.tenancy.stream(many)) throw failure
      }),
      failure,
    )
    await assertClean(here)
    await assert.rejects(
      here.tenancy.run('bob', () =>
        Array.fromAsync(here.tenancy.stream('select 1 / (10 - g) from generate_series(1, 20) as g', [], { batchSize: 3 })),
      ),
      { code: '22012' },
    )
    await assertClean(here)
  })

  test('end at once when they are aborted between two batches, or in one', async (t) => {
    const here = await stage(t, single)
    for (const batchSize of [1, 2]) {
      const stop = new AbortController()
      const reading = here.tenancy.run('bob', async () => {
        const slow = 'select g, pg_sleep(case when g > 2 then 60 else 0 end) from generate_series(1, 9) as g'
        for await (const _ of here.tenancy.stream(slow, [], { batchSize, signal: stop.signal })) setImmediate(() => stop.abort())
      })
      await assert.rejects(reading, { code: 'PW_ABORTED' })
      assert.equal(here.tenancy.stats().queue.inUse, 0)
      await assertClean(here)
    }
  })

  test('two in one transaction, interleaved with statements, stay apart', async (t) => {
    const here = await stage(t, single)
    await asBob(here, async (tx) => {
      const [one, two] = [tx.stream<{ g: number }>(many, [], { batchSize: 2 }), tx.stream<{ g: number }>(many, [], { batchSize: 3 })]
      for (let n = 1; n <= 20; n++) {
        assert.equal((await one.next()).value?.g, n)
        assert.equal((await two.next()).value?.g, n)
        assert.equal((await tx.query('select * from notes')).rowCount, rowsPerTenant)
      }
      await one.return()
    })
    await assertClean(here)
  })

  test('cannot write: theirs is a read-only transaction', async (t) => {
    const here = await stage(t, single)
    await assert.rejects(
      here.tenancy.run('bob', () => Array.fromAsync(here.tenancy.stream(`update notes set body = 'x' returning 1`))),
      { code: '25006' },
    )
    await assertClean(here)
  })
})

describe('a transaction that takes too long', () => {
  test('is cut at its own timeout, rolled back, and its connection is not used again', async (t) => {
    const here = await stage(t, single)
    const cut = asBob(
      here,
      async (tx) => {
        await insert(tx, 'slow')
        await tx.query('select pg_sleep(60)')
      },
      { timeoutMs: 300 },
    )
    await assert.rejects(cut, { code: 'PW_TRANSACTION_TIMEOUT' })
    assert.deepEqual(await titles(here, 'slow'), [])
    await assertClean(here)
  })

  test('ends with its signal, at once, whether it runs or rests', async (t) => {
    const here = await stage(t, single)
    for (const rest of [true, false]) {
      const stop = new AbortController()
      const work = asBob(
        here,
        async (tx) => {
          await insert(tx, 'aborted')
          if (rest) {
            stop.abort()
            await tx.query('select 1')
          } else {
            const sleeping = tx.query('select pg_sleep(60)')
            setImmediate(() => stop.abort())
            await sleeping
          }
        },
        { signal: stop.signal },
      )
      await assert.rejects(work, { code: 'PW_ABORTED' })
      assert.deepEqual(await titles(here, 'aborted'), [])
      await assertClean(here)
    }
  })
})

describe('capabilities of a transaction', () => {
  test('outlive it: a long one has its own, which goes with it', async (t) => {
    const here = await stage(t, { ...single, capabilityTtlMs: 1_000 })
    const held = async () =>
      (
        await here.aliceIn<{ n: number }>(
          here.bob,
          `select count(*)::int as n from partywall.capabilities where expires_at > now() + interval '2 seconds' and expires_at < 'infinity'`,
        )
      )[0]?.n
    await asBob(here, async (tx) => {
      await tx.query('select 1')
      assert.equal(await held(), 1)
      await here.aliceIn(here.bob, `delete from partywall.capabilities where expires_at < now() + interval '2 seconds'`)
      assert.equal((await tx.query('select * from notes')).rowCount, rowsPerTenant)
    })
    // A login of the tenant's own may not take one back. It is given the same one again, so there are never many.
    if (hasOwnDatabase) {
      for (let i = 0; i < 5; i++) await asBob(here, (tx) => tx.query('select 1'))
      assert.equal(await held(), 1)
    } else assert.equal(await held(), 0)
    await assertClean(here)
  })

  test('go with it too when it never got a connection: failures must not use up what a tenant may hold', async (t) => {
    const here = await stage(t, { ...single, capabilityTtlMs: 1_000, admission: { deadlineMs: 50 } })
    const issued = async () =>
      (
        await here.aliceIn<{ n: number }>(
          here.bob,
          `select count(*)::int as n from partywall.capabilities where expires_at > now() + interval '2 seconds' and expires_at < 'infinity'`,
        )
      )[0]?.n
    const free = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const holder = asBob(here, async (tx) => {
      await tx.query('select 1')
      begun.resolve()
      await free.promise
    })
    await begun.promise
    await assert.rejects(
      asBob(here, (tx) => tx.query('select 1')),
      { code: 'PW_ADMISSION_TIMEOUT' },
    )
    assert.equal(await issued(), 1)
    free.resolve()
    await holder
    assert.equal(await issued(), hasOwnDatabase ? 1 : 0)
  })
})
