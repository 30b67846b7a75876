// Every access of a tenant's data is in the tenant's own log, wherever the tenant is.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { AuditRow } from '../../src/audit/chain.ts'
import { verifyLog } from '../../src/audit/verify-log.ts'
import { entriesOf } from '../../src/core/audit-batch.ts'
import type { AuditEntry } from '../../src/core/audit-entry.ts'
import type { Tenant } from '../../src/core/tenant.ts'
import type { Tenancy } from '../../src/tenancy.ts'
import type { TenancyOptions } from '../../src/tenancy-options.ts'
import { type Stage, stage } from '../support/cast.ts'

interface Audited extends Stage {
  rows(tenant: Tenant): Promise<readonly AuditRow[]>
  /** After everything that was recorded has been written. */
  entries(tenant: Tenant): Promise<readonly AuditEntry[]>
}

async function audited(t: TestContext, options: Partial<TenancyOptions> = {}): Promise<Audited> {
  const on = await stage(t, { audit: {}, ...options })
  await on.migrate('select partywall.create_audit_log()')
  const rows = async (tenant: Tenant): Promise<readonly AuditRow[]> => {
    const found = await on.aliceIn<{ position: string; at: Date; payload: string; hash: Buffer }>(
      tenant,
      'select a.position, a.at, a.payload::text as payload, a.hash from audit_log as a where a.tenant_id = $1 order by a.position',
      [tenant.id],
    )
    return found.map(({ position, at, payload, hash }) => ({ position: BigInt(position), at: at.toISOString(), payload, hash }))
  }
  return {
    ...on,
    rows,
    entries: async (tenant) => {
      await on.tenancy.audit.flush()
      return (await rows(tenant)).flatMap(({ position, payload }) => entriesOf(position, payload))
    },
  }
}

const shortly = ({ operation, outcome, rows, tables, error }: AuditEntry): readonly unknown[] => [operation, outcome, rows, tables, error]

test('reads, writes, failures and refusals are recorded: who, what, how many rows', async (t) => {
  const { tenancy, bob, carol, entries, rows } = await audited(t)
  const actor = { kind: 'user', id: 'u1' } as const
  await tenancy.run(
    bob.id,
    async () => {
      await tenancy.query('select n.title from notes as n where n.title <> $1', ['größer'])
      await tenancy.query(`insert into folders (name) values ($1)`, ['new'])
      await assert.rejects(tenancy.query('select nonsense from notes'), { code: '42703' })
      await assert.rejects(tenancy.query(`set role postgres`), { code: 'PW_STATEMENT_REFUSED' })
      await assert.rejects(tenancy.query('delete from partywall.gates'), { code: '42501' })
    },
    { actor, requestId: 'r1' },
  )
  const found = await entries(bob)
  assert.deepEqual(found.map(shortly), [
    ['select', 'done', 5, ['notes'], undefined],
    ['insert', 'done', 1, ['folders'], undefined],
    ['select', 'failed', undefined, ['notes'], '42703'],
    ['set', 'refused', undefined, [], 'PW_STATEMENT_REFUSED'],
    ['delete', 'refused', undefined, ['partywall.gates'], '42501'],
  ])
  for (const entry of found) assert.deepEqual([entry.actor, entry.requestId], [actor, 'r1'])
  assert.match(found[0]!.statement!, /^[0-9a-f]{16}$/)
  assert.match(found[0]!.keys!, /^[0-9a-f]{16}$/)
  assert.deepEqual(await entries(carol), [], 'a neighbour’s log knows nothing of it')
  // Nothing that was given as a value is there in the clear.
  assert.doesNotMatch((await rows(bob)).map(({ payload }) => payload).join(), /größer|nonsense/)
  const verdict = await verifyLog({ tenant: bob.id, batches: once(await rows(bob)), anchors: [], keys: new Map() })
  assert.deepEqual([verdict.isSound, verdict.findings], [true, []])
})

test('a read whose transaction rolls back is recorded, and so is its end', async (t) => {
  const { tenancy, bob, entries } = await audited(t)
  await assert.rejects(
    tenancy.run(bob.id, async () =>
      tenancy.transaction(async (tx) => {
        await tx.query('select n.title from notes as n')
        await tx.savepoint(async (inner) => void (await inner.query('select 1')))
        throw new RangeError('changed my mind')
      }),
    ),
    RangeError,
  )
  await tenancy.run(bob.id, async () =>
    tenancy.transaction(async (tx) => {
      for await (const row of tx.stream('select n.title from notes as n', [], { batchSize: 2 })) assert.ok(row)
    }),
  )
  const found = await entries(bob)
  assert.deepEqual(
    found.map(({ operation, outcome, rows }) => [operation, outcome, rows]),
    [
      ['select', 'done', 5],
      ['select', 'done', 1],
      ['rollback', 'rolled_back', undefined],
      ['select', 'begun', undefined],
      ['select', 'done', 5],
      ['commit', 'done', undefined],
    ],
  )
  const [first, , end, streamed] = found
  assert.equal(first!.transaction, end!.transaction)
  assert.notEqual(first!.transaction, streamed!.transaction)
})

test('every door records: repository, Kysely, pool, replica, an explicit context', async (t) => {
  const { tenancy, bob, entries } = await audited(t)
  await tenancy.run(bob.id, async (context) => {
    await tenancy.repository<{ id: string; name: string }>('folders').findAll({ limit: 1 })
    await tenancy.db<{ folders: { name: string } }>().selectFrom('folders').select('name').execute()
    const pool = tenancy.pool()
    await pool.query('select 1 from folders')
    const client = await pool.connect()
    await client.query('begin')
    await client.query('select 2 from folders')
    await client.query('commit')
    client.release()
    await pool.end()
    await tenancy.replica().query('select 3 from folders')
    await tenancy.for(context).query('select 4 from folders')
  })
  const found = await entries(bob)
  assert.deepEqual(
    found.map(({ operation }) => operation),
    ['select', 'select', 'select', 'select', 'select', 'commit', 'select', 'select'],
    'the repository reads the shape of its table first',
  )
})

test('an act of the application’s own is in the log, with its details', async (t) => {
  const { tenancy, bob, entries } = await audited(t)
  await assert.rejects(tenancy.audit.record({ operation: 'file.download' }), { code: 'PW_NO_TENANT' })
  await tenancy.run(bob.id, async () => {
    await assert.rejects(tenancy.audit.record({ operation: 'Download!' }), { code: 'PW_INVALID_INPUT' })
    await tenancy.audit.record({ operation: 'file.download', outcome: 'refused', details: { file: 'a\0b' } })
  })
  const [entry] = await entries(bob)
  assert.deepEqual([entry!.operation, entry!.outcome, entry!.details], ['file.download', 'refused', { file: 'a\uFFFDb' }])
})

test('a strict statement is in the log before it is sent, and is not sent when it cannot be', async (t) => {
  const on = await audited(t, { audit: { strict: ['notes'], waitMs: 3_000, onMissing: () => {} } })
  const { tenancy, bob, rows, aliceIn } = on
  await tenancy.run(bob.id, async () => await tenancy.query('select n.title from notes as n'))
  // Without a flush: the record that it was begun is there, its end comes with others.
  assert.deepEqual(
    (await rows(bob)).flatMap(({ position, payload }) => entriesOf(position, payload)).map(({ outcome }) => outcome),
    ['begun'],
  )
  await aliceIn(bob, 'alter table audit_log add constraint closed check (false) not valid')
  await tenancy.run(bob.id, async () => {
    await assert.rejects(tenancy.query('delete from notes'), { code: 'PW_AUDIT_UNAVAILABLE' })
    await tenancy.query('select 1 from folders')
  })
  const left = await aliceIn<{ count: number }>(bob, 'select count(*)::int as count from notes where tenant_id = $1', [bob.id])
  assert.equal(left[0]!.count, 5)
  await aliceIn(bob, 'alter table audit_log drop constraint closed')
  assert.deepEqual(
    (await on.entries(bob)).map(({ operation, outcome, error }) => [operation, outcome, error]),
    [
      ['select', 'begun', undefined],
      ['select', 'done', undefined],
      ['delete', 'begun', undefined],
      ['delete', 'failed', 'PW_AUDIT_UNAVAILABLE'],
      ['select', 'done', undefined],
    ],
    'what could not be written then was kept',
  )
})

test('a stream that has to be recorded first is begun once in the log', async (t) => {
  const { tenancy, bob, entries } = await audited(t, { audit: { strict: ['notes'] } })
  await tenancy.run(bob.id, async () => {
    for await (const row of tenancy.stream('select n.title from notes as n')) assert.ok(row)
  })
  assert.deepEqual(
    (await entries(bob)).map(({ operation, outcome, rows }) => [operation, outcome, rows]),
    [
      ['select', 'begun', undefined],
      ['select', 'done', 5],
      ['commit', 'done', undefined],
    ],
  )
})

test('a stream that fails on the way is recorded as failed, with the rows that had been given out', async (t) => {
  const { tenancy, bob, entries } = await audited(t, {})
  const given: unknown[] = []
  const text = 'select 6 / (3 - i) as x from generate_series(1, 9) as i'
  await tenancy.run(bob.id, async () => {
    await assert.rejects(
      async () => {
        for await (const row of tenancy.stream(text, [], { batchSize: 2 })) given.push(row)
      },
      { code: '22012' },
    )
  })
  assert.equal(given.length, 2)
  assert.deepEqual(
    (await entries(bob)).map(({ operation, outcome, rows, error }) => [operation, outcome, rows, error]),
    [
      ['select', 'begun', undefined, undefined],
      ['select', 'failed', 2, '22012'],
      ['rollback', 'rolled_back', undefined, undefined],
    ],
  )
})

test('a stream that could not be recorded first was not sent, is told of when it can be, and holds up no closing', async (t) => {
  const on = await audited(t, { audit: { strict: ['notes'], waitMs: 300, onStalled: () => {} } })
  const { tenancy, bob, aliceIn } = on
  await aliceIn(bob, 'alter table audit_log add constraint closed check (false) not valid')
  await tenancy.run(bob.id, async () => {
    await assert.rejects(tenancy.stream('select n.title from notes as n').next(), { code: 'PW_AUDIT_UNAVAILABLE' })
  })
  await aliceIn(bob, 'alter table audit_log drop constraint closed')
  assert.deepEqual(
    (await on.entries(bob)).slice(0, 2).map(({ operation, outcome, error }) => [operation, outcome, error]),
    [
      ['select', 'begun', undefined],
      ['select', 'failed', 'PW_AUDIT_UNAVAILABLE'],
    ],
  )
  await closesAtOnce(tenancy)
})

test('a tenant without a log is told of, and served', async (t) => {
  const missing: string[] = []
  const { tenancy, bob, aliceIn } = await audited(t, { audit: { onMissing: ({ id }) => missing.push(id) } })
  await aliceIn(bob, 'drop table audit_log')
  for (let i = 0; i < 3; i++) {
    await tenancy.run(bob.id, async () => await tenancy.query('select 1'))
    await tenancy.audit.flush()
  }
  assert.deepEqual(missing, [bob.id])
  assert.equal(tenancy.audit.stats?.missing, 3)
})

test('a tenant sees its own log, page by page, the newest first; another’s never', async (t) => {
  const { tenancy, bob, carol, alice } = await audited(t)
  for (const tenant of [bob, carol]) {
    for (let i = 0; i < 3; i++) {
      await tenancy.run(tenant.id, async () => {
        await tenancy.query('select n.title from notes as n')
        await tenancy.audit.record({ operation: 'page.seen', details: { i, of: tenant.slug } })
      })
      await tenancy.audit.flush()
    }
  }
  await tenancy.run(bob.id, async () => {
    const seen: AuditEntry[] = []
    let before: string | undefined
    do {
      const page = await tenancy.audit.list({ operation: 'page.', limit: 2, before })
      seen.push(...page.entries)
      before = page.next
    } while (before !== undefined)
    assert.deepEqual(
      seen.map(({ details }) => details),
      [2, 1, 0].map((i) => ({ i, of: bob.slug })),
    )
    assert.deepEqual((await tenancy.audit.list({ since: new Date(Date.now() + 60_000) })).entries, [])
    await assert.rejects(tenancy.audit.list({ limit: 0 }), { code: 'PW_INVALID_INPUT' })
    for (const time of [new Date('yesterday'), '2026-01-01' as unknown as Date]) {
      await assert.rejects(tenancy.audit.list({ since: time }), { code: 'PW_INVALID_INPUT' })
      await assert.rejects(tenancy.audit.list({ until: time }), { code: 'PW_INVALID_INPUT' })
    }
    await assert.rejects(tenancy.audit.list({ before: `1'` }), { code: 'PW_INVALID_INPUT' })
    // Whoever names another tenant finds nothing.
    assert.equal((await tenancy.query('select from audit_log where tenant_id = $1', [carol.id])).rowCount, 0)
  })
  await assert.rejects(tenancy.audit.list(), { code: 'PW_NO_TENANT' })
  await alice('drop table audit_log')
  await tenancy.run(bob.id, async () => await assert.rejects(tenancy.audit.list(), { code: 'PW_CONFIGURATION' }))
})

test('closing writes what is left', async (t) => {
  const { tenancy, bob, rows } = await audited(t, { audit: { flushEveryMs: 60_000 } })
  await tenancy.run(bob.id, async () => await tenancy.query('select 1'))
  assert.equal((await rows(bob)).length, 0)
  await tenancy.close()
  assert.equal((await rows(bob)).length, 1)
})

async function* once<T>(value: T): AsyncIterable<T> {
  yield value
}

/** Nothing is under way: what is would be waited for, 10 seconds. */
async function closesAtOnce(tenancy: Tenancy): Promise<void> {
  const began = performance.now()
  await tenancy.close()
  const tookMs = performance.now() - began
  assert.ok(tookMs < 5_000, `${Math.round(tookMs)} ms`)
}
