// What the database makes of batches of audit entries: one chain for each tenant, which nobody but the owner can write.

import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import type { AuditRow } from '../../src/audit/chain.ts'
import { type AuditVerdict, verifyLog } from '../../src/audit/verify-log.ts'
import { parseTenantId, type TenantId } from '../../src/core/tenant.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { type TestDatabase, wallDatabase } from '../support/database.ts'

const bob = parseTenantId('01900000-0000-7000-8000-00000000000b')
const carol = parseTenantId('01900000-0000-7000-8000-00000000000c')

interface Outcome {
  readonly tenant_id: TenantId
  readonly appended: number
  readonly outcome: string
}

interface Stage {
  readonly database: TestDatabase
  readonly gatekeeper: ControlPool
  readonly app: ControlPool
  asOwner(text: string, values?: readonly unknown[]): Promise<void>
  append(batches: readonly (readonly [TenantId, string])[]): Promise<readonly Outcome[]>
  rows(tenant: TenantId): Promise<readonly AuditRow[]>
  verify(tenant: TenantId): Promise<AuditVerdict>
}

async function stage(t: TestContext): Promise<Stage> {
  const database = await wallDatabase(t)
  const pool = (connectionString: string, connectionsMax: number): ControlPool => {
    const made = new ControlPool({ connectionString, applicationName: 'audit-append', connectionsMax })
    t.after(async () => await made.close())
    return made
  }
  const gatekeeper = pool(database.urls.gatekeeper, 4)
  const app = pool(database.urls.app, 1)
  const migrator = pool(database.urls.migrator, 1)
  const asOwner = async (text: string, values: readonly unknown[] = []): Promise<void> =>
    await migrator.transaction(async (connection) => {
      await connection.query('set local role partywall_owner')
      await connection.query(`set local search_path = app, pg_temp`)
      await connection.query(text, values)
    })
  await asOwner('select partywall.create_audit_log()')
  for (const tenant of [bob, carol]) await asOwner(`select partywall.set_gate($1, 'open')`, [tenant])
  const rows = async (tenant: TenantId): Promise<readonly AuditRow[]> => {
    const found = await database.superuser.query<{ position: string; at: Date; payload: string; hash: Buffer }>(
      'select a.position, a.at, a.payload::text as payload, a.hash from app.audit_log as a where a.tenant_id = $1 order by a.position',
      [tenant],
    )
    return found.map(({ position, at, payload, hash }) => ({ position: BigInt(position), at: at.toISOString(), payload, hash }))
  }
  return {
    database,
    gatekeeper,
    app,
    asOwner,
    rows,
    append: async (batches) =>
      await gatekeeper.query<Outcome>('select * from partywall.append_audit($1, $2, true)', [
        batches.map(([tenant]) => tenant),
        batches.map(([, payload]) => payload),
      ]),
    verify: async (tenant) => await verifyLog({ tenant, batches: once(await rows(tenant)), anchors: [], keys: new Map() }),
  }
}

async function* once<T>(value: T): AsyncIterable<T> {
  yield value
}

function batch(entry: Record<string, unknown> = {}, id: string = crypto.randomUUID(), at = new Date().toISOString()): string {
  return JSON.stringify({ v: 1, id, at, entries: [{ at, operation: 'select', outcome: 'done', ...entry }] })
}

test('each tenant has a chain of its own, and both verify', async (t) => {
  const { append, verify, rows } = await stage(t)
  const outcomes = await append([
    [carol, batch({ tables: ['notes'] })],
    [bob, batch()],
    [bob, batch({ statement: 'größer — 世界' })],
  ])
  assert.deepEqual(
    outcomes.map(({ tenant_id, appended, outcome }) => [tenant_id, appended, outcome]),
    [
      [bob, 2, 'appended'],
      [carol, 1, 'appended'],
    ],
  )
  await append([[bob, batch()]])
  for (const [tenant, entries] of [
    [bob, 3],
    [carol, 1],
  ] as const) {
    const verdict = await verify(tenant)
    assert.deepEqual([verdict.isSound, verdict.entries, verdict.findings], [true, entries, []])
  }
  assert.deepEqual(
    (await rows(bob)).map(({ position }) => position),
    [1n, 2n, 3n],
  )
})

test('appenders who come at the same time make one chain without a gap', async (t) => {
  const { append, verify } = await stage(t)
  await Promise.all(
    Array.from(
      { length: 40 },
      async (_, index) =>
        await append([
          [index % 2 === 0 ? bob : carol, batch({ index })],
          [bob, batch({ index })],
        ]),
    ),
  )
  const verdict = await verify(bob)
  assert.deepEqual([verdict.isSound, verdict.entries, verdict.head], [true, 60, 60n])
})

test('who asks again for want of an answer appends nothing twice', async (t) => {
  const { append, rows } = await stage(t)
  const same = batch()
  assert.equal((await append([[bob, same]]))[0]?.appended, 1)
  assert.equal(
    (
      await append([
        [bob, batch()],
        [bob, same],
      ])
    )[0]?.appended,
    1,
  )
  assert.equal((await rows(bob)).length, 2)
})

test('a tenant that is being switched is told so, and the others are written', async (t) => {
  const { append, rows, asOwner } = await stage(t)
  await append([[carol, batch()]])
  await asOwner(`update partywall.gates set state = 'moved' where tenant_id = $1`, [carol])
  await asOwner(`update partywall.capabilities set state = 'moved' where tenant_id = $1`, [carol])
  const outcomes = await append([
    [carol, batch()],
    [bob, batch()],
    [parseTenantId('01900000-0000-7000-8000-00000000000d'), batch()],
  ])
  assert.deepEqual(
    outcomes.map(({ outcome }) => outcome),
    ['appended', 'moving', 'unknown'],
  )
  assert.equal((await rows(carol)).length, 1)
})

test('what a suspended or read-only tenant was refused is recorded, and its gate stays as it is', async (t) => {
  const { append, rows, asOwner, database } = await stage(t)
  for (const state of ['open', 'suspended', 'read_only', 'open']) {
    await asOwner('select partywall.set_gate($1, $2)', [bob, state])
    assert.equal((await append([[bob, batch()]]))[0]?.outcome, 'appended')
    const [gate] = await database.superuser.query<{ state: string }>('select g.state from partywall.gates as g where g.tenant_id = $1', [
      bob,
    ])
    assert.equal(gate?.state, state)
  }
  assert.equal((await rows(bob)).length, 4)
})

test('a database without an audit log says so', async (t) => {
  const { append, asOwner } = await stage(t)
  await asOwner('drop table app.audit_log')
  assert.equal((await append([[bob, batch()]]))[0]?.outcome, 'no_log')
})

test('what is no batch is refused, and nothing of the call is kept', async (t) => {
  const { append, rows } = await stage(t)
  for (const payload of ['{}', '', batch().replace('"v":1', '"v":2'), batch().slice(0, -3), batch({}, 'x'.repeat(36))]) {
    await assert.rejects(
      append([
        [bob, batch()],
        [carol, payload],
      ]),
      { code: /^22/ },
    )
  }
  assert.equal((await rows(bob)).length, 0)
})

test('the application reads its tenant’s rows, and neither writes nor changes nor removes any', async (t) => {
  const { append, app, gatekeeper } = await stage(t)
  await append([
    [bob, batch()],
    [carol, batch()],
  ])
  const [issued] = await gatekeeper.query<{ capability: string }>(`select * from partywall.issue(array[$1::uuid], '1 minute', 'a test')`, [
    bob,
  ])
  const asBob = async (text: string): Promise<readonly Record<string, unknown>[]> =>
    await app.transaction(async (connection) => {
      await connection.query('select partywall.bind($1)', [issued!.capability])
      return await connection.query<Record<string, unknown>>(text)
    })
  assert.deepEqual(await asBob('select distinct a.tenant_id from app.audit_log as a'), [{ tenant_id: bob }])
  const payload = batch()
  for (const attempt of [
    `insert into app.audit_log (position, at, payload, hash) values (2, now(), '{}', sha256(''))`,
    `update app.audit_log set payload = '{}'`,
    'delete from app.audit_log',
    'truncate app.audit_log',
    'select from app.audit_log for update',
    'alter table app.audit_log disable row level security',
    'drop table app.audit_log',
    `select partywall.append_audit(array['${bob}'::uuid], array['${payload}'], true)`,
    `select partywall.append_batches(array['${bob}'::uuid], array['${payload}'], true)`,
    `select partywall.append_audit_row('${bob}', 'app.audit_log', '${payload}', true)`,
    `select partywall.append_own_audit(array['${payload}'], true, '')`,
    `select partywall.prune_audit('app.audit_log', '${bob}', 1, now())`,
    `select partywall.bind_for_audit('${bob}')`,
    'select from partywall.audit_keys',
  ]) {
    await assert.rejects(asBob(attempt), { code: '42501' }, attempt)
  }
  // The gatekeeper appends, and that is all.
  for (const attempt of ['select from app.audit_log', 'delete from app.audit_log', 'select from partywall.audit_keys']) {
    await assert.rejects(gatekeeper.query(attempt), { code: '42501' }, attempt)
  }
})

test('a tenant’s own login appends by its key alone: SQL that has the session has not the key', async (t) => {
  const name = `pw_${randomBytes(12).toString('hex')}`
  const { database, asOwner, rows } = await stage(t)
  await database.superuser.query(`create role ${name} login password 'x' in role partywall_tenants`)
  t.after(async () => await database.superuser.query(`drop owned by ${name}; drop role ${name}`).catch(() => {}))
  await database.superuser.query(`grant connect on database ${database.name} to ${name}`)
  const key = randomBytes(32)
  await asOwner('insert into partywall.logins (login, tenant_id) values ($1, $2)', [name, bob])
  await asOwner('select partywall.set_audit_key($1, $2)', [name, key])
  const url = new URL(database.urls.app)
  url.username = name
  url.password = 'x'
  const own = new ControlPool({ connectionString: url.href, applicationName: 'audit-append', connectionsMax: 1 })
  try {
    const append = async (payloads: readonly string[], by: Buffer): Promise<readonly Outcome[]> =>
      await own.query<Outcome>('select * from partywall.append_own_audit($1, true, $2)', [
        payloads,
        createHmac('sha256', by).update(payloads.join('\n')).digest(),
      ])
    assert.deepEqual(await append([batch(), batch({ größer: true })], key), [{ tenant_id: bob, appended: 2, outcome: 'appended' }])
    await assert.rejects(append([batch()], randomBytes(32)), { code: '42501' })
    await assert.rejects(own.query('select partywall.append_own_audit($1, true, null)', [[batch()]]), { code: '42501' })
    await assert.rejects(own.query('select partywall.append_audit($1, $2, true)', [[bob], [batch()]]), { code: '42501' })
    await assert.rejects(own.query('select from partywall.audit_keys'), { code: '42501' })
    await assert.rejects(own.query('select partywall.set_audit_key($1, $2)', [name, key]), { code: '42501' })
    assert.equal((await rows(bob)).length, 2)
  } finally {
    await own.close()
  }
})

test('a beginning is pruned, never the middle and never the end', async (t) => {
  const { append, rows, asOwner } = await stage(t)
  const time = (day: number): string => new Date(Date.UTC(2026, 0, day)).toISOString()
  for (const day of [1, 2, 3, 4]) await append([[bob, batch({}, undefined, time(day))]])
  const prune = async (upTo: number, before: string): Promise<void> =>
    await asOwner(
      `with acting as materialized (select partywall.act_for('${bob}', null, null) as is_made)
       select partywall.prune_audit('app.audit_log', '${bob}', ${upTo}, '${before}') from acting`,
    )
  const positions = async (): Promise<readonly bigint[]> => (await rows(bob)).map(({ position }) => position)
  await prune(3, time(2))
  assert.deepEqual(await positions(), [1n, 2n, 3n, 4n], 'one of them is not old enough')
  await prune(2, time(3))
  assert.deepEqual(await positions(), [3n, 4n])
  await prune(99, time(31))
  assert.deepEqual(await positions(), [4n])
  await append([[bob, batch()]])
  assert.deepEqual(await positions(), [4n, 5n])
})
