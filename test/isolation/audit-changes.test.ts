// Before and after of changes, in the tenant's own log, by whom the process said and nobody else.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import pg from 'pg'
import type { AuditRow } from '../../src/audit/chain.ts'
import { verifyLog } from '../../src/audit/verify-log.ts'
import { entriesOf } from '../../src/core/audit-batch.ts'
import type { AuditEntry } from '../../src/core/audit-entry.ts'
import type { Tenant } from '../../src/core/tenant.ts'
import type { TenancyOptions } from '../../src/tenancy-options.ts'
import { type Stage, stage } from '../support/cast.ts'
import { hasOwnDatabase } from '../support/isolation.ts'

interface Audited extends Stage {
  rows(tenant: Tenant): Promise<readonly AuditRow[]>
  /** What the triggers recorded, after everything that waits has been written. */
  changes(tenant: Tenant): Promise<readonly AuditEntry[]>
}

const actor = { kind: 'user', id: 'u1' } as const

async function audited(
  t: TestContext,
  { options = {}, of = `'notes'` }: { options?: Partial<TenancyOptions>; of?: string } = {},
): Promise<Audited> {
  const on = await stage(t, { audit: {}, ...options })
  await on.migrate(`select partywall.create_audit_log(); select partywall.audit_changes(${of})`)
  const rows = async (tenant: Tenant): Promise<readonly AuditRow[]> => {
    await on.tenancy.audit.flush()
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
    changes: async (tenant) =>
      (await rows(tenant)).flatMap(({ position, payload }) => entriesOf(position, payload)).filter(({ change }) => change !== undefined),
  }
}

test('inserts, updates, deletes and upserts are there before and after, by whom and in which request', async (t) => {
  const { tenancy, bob, carol, changes, rows } = await audited(t)
  const ids = await tenancy.run(
    bob.id,
    async () => {
      const { rows: made } = await tenancy.query<{ id: string }>(`insert into folders (name) values ('a') returning id`)
      const { rows: notes } = await tenancy.query<{ id: string }>(`insert into notes (title, number) values ('größer', 1) returning id`)
      const id = notes[0]!.id
      await tenancy.query(`update notes set number = 2, body = 'new' where id = $1`, [id])
      await tenancy.query(`update notes set number = 2 where id = $1`, [id])
      await tenancy.query(`insert into notes (title, number) values ('größer', 3)
        on conflict on constraint notes_title_key do update set number = excluded.number`)
      await tenancy.query('delete from notes where id = $1', [id])
      return { note: id, folder: made[0]!.id }
    },
    { actor, requestId: 'r1' },
  )
  const found = await changes(bob)
  assert.deepEqual(
    found.map(({ operation, outcome, tables, change }) => [
      operation,
      outcome,
      tables,
      change?.before?.['number'],
      change?.after?.['number'],
    ]),
    [
      ['insert', 'done', ['notes'], undefined, 1],
      ['update', 'done', ['notes'], 1, 2],
      ['update', 'done', ['notes'], 2, 3],
      ['delete', 'done', ['notes'], 3, undefined],
    ],
    'a table that asks for nothing is not there, nor is an update that changes nothing',
  )
  for (const { actor: by, requestId, change } of found) {
    assert.deepEqual([by, requestId, change?.key], [actor, 'r1', { id: ids.note }])
  }
  assert.deepEqual(found[1]?.change?.before, { number: 1, body: '' })
  assert.deepEqual(found[1]?.change?.after, { number: 2, body: 'new' })
  assert.equal(found[0]?.change?.after?.['title'], 'größer')
  assert.ok(!('tenant_id' in found[0]!.change!.after!))
  assert.deepEqual(await changes(carol), [])
  const verdict = await verifyLog({ tenant: bob.id, batches: once(await rows(bob)), anchors: [], keys: new Map() })
  assert.deepEqual([verdict.isSound, verdict.findings], [true, []])
})

test('in a transaction, too; and what is rolled back leaves no change', async (t) => {
  const { tenancy, bob, changes } = await audited(t)
  await tenancy.run(
    bob.id,
    async () => {
      await tenancy.transaction(async (tx) => {
        await tx.query(`update notes set number = 10 where number = 1`)
        await assert.rejects(
          tx.savepoint(async (inner) => {
            await inner.query(`update notes set number = 99 where number = 10`)
            throw new Error('no')
          }),
        )
      })
      await assert.rejects(
        tenancy.transaction(async (tx) => {
          await tx.query(`delete from notes`)
          throw new Error('no')
        }),
      )
    },
    { actor },
  )
  const found = await changes(bob)
  assert.deepEqual(
    found.map(({ operation, actor: by, change, transaction }) => [operation, by, change?.after, typeof transaction]),
    [['update', actor, { number: 10 }, 'string']],
  )
})

test('columns are left out, or there by a hash that says nothing of another tenant', async (t) => {
  const { tenancy, bob, carol, changes } = await audited(t, { of: `'notes', exclude => '{body}', hash => '{title}'` })
  for (const tenant of [bob, carol]) {
    await tenancy.run(tenant.id, async () => {
      await tenancy.query(`insert into notes (title, body) values ('same', 'secret')`)
      await tenancy.query(`update notes set body = 'other' where title = 'same'`)
    })
  }
  const hashes: unknown[] = []
  for (const tenant of [bob, carol]) {
    const [inserted, updated] = await changes(tenant)
    assert.ok(!('body' in inserted!.change!.after!))
    hashes.push(inserted?.change?.after?.['title'])
    assert.deepEqual([updated?.change?.before, updated?.change?.after], [{}, {}], 'that something changed is said, and not what')
  }
  const expected = createHash('sha256')
    .update(Buffer.from(bob.id.replaceAll('-', ''), 'hex'))
    .update('same')
    .digest('hex')
  assert.equal(hashes[0], `sha256:${expected}`)
  assert.notEqual(hashes[0], hashes[1])
})

test('transactions of one tenant do not wait for each other because of the log', async (t) => {
  const { tenancy, bob, changes } = await audited(t)
  await tenancy.run(bob.id, async () => {
    await tenancy.transaction(async (first) => {
      await first.query(`update notes set number = 20 where number = 1`)
      // While the first is open, another commits, and the log is written.
      await tenancy.transaction(async (second) => void (await second.query(`update notes set number = 30 where number = 2`)), {
        timeoutMs: 5_000,
      })
      await tenancy.audit.flush()
      assert.deepEqual(
        (await changes(bob)).map(({ change }) => change?.after),
        [{ number: 30 }],
      )
    })
  })
  assert.deepEqual(
    (await changes(bob)).map(({ change }) => change?.after),
    [{ number: 30 }, { number: 20 }],
  )
})

test('SQL that is slipped in can say that another acts, and is not believed', async (t) => {
  const { tenancy, bob, changes, placeOf, aliceIn } = await audited(t)
  // The session of the application itself: nothing of ours stands between.
  const session = new pg.Client({ connectionString: placeOf(bob).app })
  await session.connect()
  t.after(async () => await session.end())
  const handle = hasOwnDatabase
    ? (await session.query<{ capability: string }>(`select capability from partywall.issue_own('1 minute', 'a test')`)).rows[0]!.capability
    : (
        await aliceIn<{ capability: string }>(bob, `select capability from partywall.issue(array[$1::uuid], '1 minute', 'a test')`, [
          bob.id,
        ])
      )[0]!.capability
  const said = JSON.stringify({ actor: { kind: 'staff', id: 'mallory' } })
  let number = 100
  for (const forged of [
    '',
    said,
    `${'0'.repeat(64)} ${said}`,
    `${createHash('sha256').update(`partywall actor ${handle} ${said}`).digest('hex')} ${said}`,
  ]) {
    await session.query('begin')
    await session.query(`select partywall.bind('${handle}')`)
    await session.query(`select set_config('partywall.actor', $1, true), set_config('partywall.audit_changes', 'off', true)`, [forged])
    await session.query(`update notes set number = ${number++} where number in (1, ${number - 2})`)
    await session.query('commit')
  }
  for (const attempt of [
    'select partywall.sealed_actor()',
    'select seal from partywall.capabilities',
    'select from partywall.audit_keys',
    'select from audit_outbox',
    `insert into audit_outbox (at, entry) values (now(), '{}')`,
    'delete from audit_outbox',
    'alter table notes disable trigger partywall_audit',
    'drop trigger partywall_audit on notes',
    `select partywall.audit_changes('notes', '{body}')`,
    `set session_replication_role = replica`,
    `create temp table trap (tenant_id uuid); create trigger t after insert on trap for each row execute function partywall.record_change('notes', '{}', '{}', '{}')`,
  ]) {
    await session.query('begin')
    await session.query(`select partywall.bind('${handle}')`)
    await assert.rejects(session.query(attempt), { code: '42501' }, attempt)
    await session.query('rollback')
  }
  await tenancy.run(bob.id, async () => void (await tenancy.query(`update notes set number = 200 where number = ${number - 1}`)), { actor })
  assert.deepEqual(
    (await changes(bob)).map(({ actor: by }) => by.kind),
    ['unknown', 'unknown', 'unknown', 'unknown', 'user'],
  )
})

test('partitioned tables are recorded under their own name', async (t) => {
  const { tenancy, bob, migrate, changes } = await audited(t)
  await migrate(`create table events (tenant_id uuid not null, at date not null, id bigint not null, constraint events_pkey primary key (tenant_id, at, id))
      partition by range (at);
    create table events_2026 partition of events for values from ('2026-01-01') to ('2027-01-01');
    create table events_2027 partition of events for values from ('2027-01-01') to ('2028-01-01');
    select partywall.protect('events');
    select partywall.audit_changes('events')`)
  await tenancy.run(bob.id, async () => {
    await tenancy.query(`insert into events (at, id) values ('2026-05-01', 9007199254740993)`)
    await tenancy.query(`update events set at = '2027-05-01'`)
  })
  const found = await changes(bob)
  assert.deepEqual(
    found.map(({ operation, tables, change }) => [operation, tables, change?.key]),
    [
      ['insert', ['events'], { at: '2026-05-01', id: '9007199254740993' }],
      // The row goes from one partition to the other.
      ['delete', ['events'], { at: '2026-05-01', id: '9007199254740993' }],
      ['insert', ['events'], { at: '2027-05-01', id: '9007199254740993' }],
    ],
  )
})

test('a table that is not protected, has no key, or no log beside it is refused', async (t) => {
  const { migrate } = await audited(t)
  await assert.rejects(migrate(`select partywall.audit_changes('countries')`), { code: '55000' })
  await assert.rejects(migrate(`select partywall.audit_changes('audit_log')`), { code: '22023' })
  await assert.rejects(migrate(`select partywall.audit_changes('notes', '{id}')`), { code: '22023' })
  await assert.rejects(migrate(`select partywall.audit_changes('notes', '{nonsense}')`), { code: '42703' })
})

async function* once<T>(value: T): AsyncIterable<T> {
  yield value
}
