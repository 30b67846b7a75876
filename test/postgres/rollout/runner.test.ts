// Runners that are killed, that meet each other, and that meet operations.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { OperationEvent } from '../../../src/core/operation-event.ts'
import type { TenantId } from '../../../src/core/tenant.ts'
import { OperationInProgressError } from '../../../src/errors.ts'
import type { NewOperation, OperationId } from '../../../src/operations/journal.ts'
import { ControlPool } from '../../../src/postgres/control-pool.ts'
import { PostgresOperationJournal } from '../../../src/postgres/operation-journal.ts'
import { tableSql } from '../../support/migrations.ts'
import { actor, type RolloutStage, rolloutStage, type StagedTenant } from '../../support/rollout.ts'
import type { RolloutProcess } from '../../support/rollout-process.ts'

const column = 'alter table a add column n integer'
const program = fileURLToPath(new URL('../../support/rollout-process.ts', import.meta.url))

async function staged(t: TestContext, count: number): Promise<RolloutStage & { readonly members: readonly StagedTenant[] }> {
  const stage = await rolloutStage(t)
  const members = await stage.tenants(count)
  await stage.write('0001-first.sql', tableSql('a'))
  assert.equal((await (await stage.rollout()).up({ actor })).state, 'done')
  await stage.write('0002-second.sql', column)
  return { ...stage, members }
}

/** A runner of its own, which is killed as soon as `until` says so. */
async function killedRunner(stage: RolloutStage, until: (event: OperationEvent) => boolean): Promise<string | null> {
  const task: RolloutProcess = { urls: stage.catalog.urls, directory: stage.directory.href, leaseMs: 1_500 }
  const child = spawn(process.execPath, [program, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close') as Promise<[number | null, string | null]>
  for await (const line of createInterface({ input: child.stdout })) if (until(JSON.parse(line) as OperationEvent)) child.kill('SIGKILL')
  return (await ended)[1]
}

test('a runner that is killed in the middle leaves nothing half-done; the next one does the rest, and every schema has it once', async (t) => {
  const stage = await staged(t, 400)
  const holder = new ControlPool({ connectionString: stage.schemas.urls.superuser, applicationName: 'test-holder', connectionsMax: 1 })
  t.after(() => holder.close())
  await holder.session(async (session) => {
    // A reader keeps one of its batches from ending, so that it is in the middle when it is killed.
    await session.query('begin')
    await session.query(`lock table ${stage.members[0]!.schema}.a in access share mode`)
    const signal = await killedRunner(stage, (event) => event.kind === 'progress' && event.done > 0)
    assert.equal(signal, 'SIGKILL')
    await session.query('commit')
  })
  const half = await stage.versions()
  assert.ok((half['0001'] ?? 0) > 0 && (half['0002'] ?? 0) > 0, JSON.stringify(half))
  const claimed = await stage.catalog.superuser.query(`select from partywall.migration_targets where state = 'running'`)
  assert.ok(claimed.length > 0)
  const result = await (await stage.rollout()).up({ actor })
  assert.deepEqual([result.state, result.done, result.failed, result.skipped], ['done', 401, 0, 0])
  assert.deepEqual(await stage.ledger(), { '0001': 400, '0002': 400 })
  assert.deepEqual(await stage.versions(), { '0002': 401 })
})

test('what was done and not written down is not done again: the ledger knows', async (t) => {
  const stage = await staged(t, 30)
  await (await stage.rollout()).up({ actor })
  const applied = await stage.schemas.superuser.query('select * from partywall.ledger order by 1, 2')
  await stage.catalog.superuser.query(`update partywall.tenants set version = '0001'`)
  await stage.catalog.superuser.query(`update partywall.databases set version = null where holds = 'pooled'`)
  assert.equal((await (await stage.rollout()).status()).behind, 31)
  const result = await (await stage.rollout()).up({ actor })
  assert.deepEqual([result.done, result.failed], [31, 0])
  assert.deepEqual(await stage.schemas.superuser.query('select * from partywall.ledger order by 1, 2'), applied)
  assert.deepEqual(await stage.versions(), { '0002': 31 })
})

test('two runners at once share the work, and a third release is refused while they do', async (t) => {
  const stage = await staged(t, 200)
  const [one, other] = [await stage.rollout(), await stage.rollout()]
  await stage.write('0003-third.sql', 'alter table a add column m integer')
  const third = await stage.rollout()
  let refused: Promise<unknown> | undefined
  const onEvent = () => {
    refused ??= assert.rejects(third.up({ actor }), { code: 'PW_ROLLOUT_IN_PROGRESS' })
  }
  const results = await Promise.all([one.up({ actor, onEvent }), other.up({ actor })])
  await refused
  assert.deepEqual(
    results.map(({ state, done, failed }) => [state, done, failed]),
    [
      ['done', 201, 0],
      ['done', 201, 0],
    ],
  )
  assert.equal(new Set(results.map(({ id }) => id)).size, 1)
  assert.deepEqual(await stage.ledger(), { '0001': 200, '0002': 200 })
})

test('a tenant that is removed while it is migrated is skipped, and says so', async (t) => {
  const stage = await staged(t, 6)
  const [here, gone] = stage.members
  const holder = new ControlPool({ connectionString: stage.schemas.urls.superuser, applicationName: 'test-holder', connectionsMax: 1 })
  t.after(() => holder.close())
  const rollout = await stage.rollout({ lockTimeoutMs: 50 })
  let removed: Promise<unknown> | undefined
  await holder.session(async (session) => {
    await session.query('begin')
    await session.query(`lock table ${gone!.schema}.a in access share mode`)
    const run = rollout.up({
      actor,
      onEvent: () => {
        removed ??= (async () => {
          await stage.catalog.superuser.query('delete from partywall.tenants where id = $1', [gone!.id])
          await session.query('commit')
          await stage.schemas.superuser.query(`drop schema ${gone!.schema} cascade`)
        })()
      },
    })
    const result = await run
    await removed
    assert.deepEqual([result.state, result.failed, result.skipped, result.done], ['done', 0, 1, 6])
  })
  const [row] = await stage.catalog.superuser.query<{ error: unknown }>(
    'select error from partywall.migration_targets where tenant_id = $1 and state = $2',
    [gone!.id, 'skipped'],
  )
  assert.partialDeepStrictEqual(row?.error, { code: 'gone' })
  assert.equal((await (await stage.rollout()).places()).places.find(({ slug }) => slug === here!.slug)?.version, '0002')
})

/** An operation that makes or removes tables, as the journal begins it. */
function offboarding(tenant: StagedTenant): NewOperation {
  const id = randomUUID() as OperationId
  return { id, tenantId: tenant.id as TenantId, kind: 'offboard', input: {}, steps: {}, actor, reason: 'The test says so.', owner: 'test' }
}

function journalOf(t: TestContext, stage: RolloutStage): PostgresOperationJournal {
  const open = (connectionString: string) => new ControlPool({ connectionString, applicationName: 'test-journal', connectionsMax: 2 })
  const [reader, writer] = [open(stage.catalog.urls.gatekeeper), open(stage.catalog.urls.migrator)]
  t.after(async () => {
    await reader.close()
    await writer.close()
  })
  return new PostgresOperationJournal({ reader, writer })
}

test('a tenant in the middle of an operation is waited for; one that is suspended meanwhile is not', async (t) => {
  const stage = await staged(t, 5)
  const journal = journalOf(t, stage)
  const [busy, suspended] = stage.members
  const operation = await journal.begin(offboarding(busy!), 60_000)
  await journal.begin({ ...offboarding(suspended!), kind: 'suspend' }, 60_000)
  let meanwhile: Promise<unknown> | undefined
  const onEvent = (event: OperationEvent) => {
    if (event.kind !== 'progress' || event.done < 5) return
    meanwhile ??= (async () => {
      const ledger = await stage.ledger()
      await journal.settle(operation, { state: 'cancelled' })
      return ledger
    })()
  }
  const result = await (await stage.rollout()).up({ actor, onEvent })
  assert.deepEqual(await meanwhile, { '0001': 5, '0002': 4 }, 'the busy one was not touched while it was')
  assert.deepEqual([result.state, result.done, result.skipped], ['done', 6, 0])
  assert.deepEqual(await stage.ledger(), { '0001': 5, '0002': 5 })
})

test('an operation that waits for days, or does not end in time, is not waited for: the tenant is skipped, and resume has it', async (t) => {
  const stage = await staged(t, 5)
  const journal = journalOf(t, stage)
  const [waiting, endless] = stage.members
  const one = await journal.begin(offboarding(waiting!), 60_000)
  const grace = await journal.settle(one, { state: 'waiting', wakeMs: 86_400_000 })
  const other = await journal.begin(offboarding(endless!), 60_000)
  const rollout = await stage.rollout({ operationWaitMs: 1 })
  const result = await rollout.up({ actor })
  assert.deepEqual([result.state, result.done, result.skipped], ['done', 4, 2])
  const { places } = await rollout.places({ only: 'skipped' })
  const why = new Map(places.map(({ slug, error }) => [slug, error]))
  assert.match(why.get(waiting!.slug)?.message ?? '', /The operation offboard \(.+\) of the tenant is waiting/)
  assert.match(why.get(endless!.slug)?.message ?? '', /is running/)
  await stage.catalog.superuser.query(`update partywall.operations set state = 'cancelled', finished_at = now() where id = any ($1)`, [
    [grace!.id, other.id],
  ])
  const resumed = await rollout.resume({ actor })
  assert.deepEqual([resumed.done, resumed.skipped], [6, 0])
})

test('an operation on tables that are being migrated waits until they are; the migration that is dead is not waited for', async (t) => {
  const stage = await staged(t, 1)
  const journal = journalOf(t, stage)
  const [tenant] = stage.members
  const claim = async (until: string) =>
    await stage.catalog.superuser.query(
      `update partywall.migration_targets set state = 'running', claimed_by = 'somebody', claimed_until = now() + $1::interval where tenant_id = $2`,
      [until, tenant!.id],
    )
  await claim('1 hour')
  const renamed = await journal.begin({ ...offboarding(tenant!), kind: 'rename' }, 60_000)
  await journal.settle(renamed, { state: 'done' })
  await assert.rejects(
    stage.catalog.superuser.query(
      `insert into partywall.operations (id, tenant_id, kind, input, actor_kind, actor_id, reason, owner, owned_until)
       values (gen_random_uuid(), $1, 'offboard', '{}', 'staff', 'alice', '', 'test', now())`,
      [tenant!.id],
    ),
    { code: 'PW013' },
  )
  const begun = journal.begin(offboarding(tenant!), 60_000)
  await claim('-1 second')
  assert.equal((await begun).state, 'running')
  await assert.rejects(journal.begin(offboarding(tenant!), 60_000), OperationInProgressError)
})

test('a lock that somebody holds is tried for again, while the others go on', async (t) => {
  const stage = await staged(t, 12)
  const [slow] = stage.members
  const holder = new ControlPool({ connectionString: stage.schemas.urls.superuser, applicationName: 'test-holder', connectionsMax: 1 })
  t.after(() => holder.close())
  const result = await holder.session(async (session) => {
    await session.query('begin')
    await session.query(`lock table ${slow!.schema}.a in access share mode`)
    const onEvent = (event: OperationEvent) => {
      if (event.kind === 'progress' && event.done === 12) void session.query('commit')
    }
    return await (await stage.rollout({ lockTimeoutMs: 50, concurrency: 1 })).up({ actor, onEvent })
  })
  assert.deepEqual([result.state, result.done, result.failed], ['done', 13, 0])
  const [row] = await stage.catalog.superuser.query<{ attempts: number }>(
    'select max(attempts) as attempts from partywall.migration_targets where tenant_id = $1',
    [slow!.id],
  )
  assert.ok((row?.attempts ?? 0) > 1)
})

test('files that are no text, or in no transaction, reach everybody too', async (t) => {
  const stage = await staged(t, 4)
  await stage.write('0003-index.sql', '-- partywall: no-transaction\ncreate index concurrently a_n_idx on a (tenant_id, n)')
  await stage.write('0004-step.ts', `export async function up(step) { await step.query('alter table a add column m integer') }`)
  const result = await (await stage.rollout()).up({ actor })
  assert.deepEqual([result.state, result.done, result.failed], ['done', 5, 0])
  assert.deepEqual(await stage.ledger(), { '0001': 4, '0002': 4, '0003': 4, '0004': 4 })
})

test('drift is found wherever it is, with the SQL that mends it, and the rest is sound', async (t) => {
  const stage = await staged(t, 5)
  const own = await stage.ownDatabase({ slug: 'initech' })
  const rollout = await stage.rollout()
  await rollout.up({ actor })
  const [drifted] = stage.members
  await stage.schemas.superuser.query(`alter table ${drifted!.schema}.a drop column n`)
  await own.superuser.query('alter table app.a add column extra text')
  const found = await Array.fromAsync(rollout.drift())
  assert.deepEqual([found.length, found.filter(({ findings, error }) => findings.length === 0 && error === undefined).length], [7, 5])
  const of = (slug: string) => found.find((place) => place.slug === slug)?.findings
  assert.deepEqual(
    of(drifted!.slug)?.map(({ problem, name }) => [problem, name]),
    [['missing', 'a.n']],
  )
  assert.deepEqual(
    of('initech')?.map(({ problem, name }) => [problem, name]),
    [['unexpected', 'a.extra']],
  )
  await stage.schemas.superuser.query(of(drifted!.slug)?.[0]?.fix ?? '')
  const after = await Array.fromAsync(rollout.drift())
  assert.equal(after.filter(({ findings }) => findings.length > 0).length, 1)
})
