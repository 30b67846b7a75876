// Migrations over the fleet, on real databases.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OperationEvent } from '../../../src/core/operation-event.ts'
import { MigrationError, RolloutInProgressError, RolloutNotFoundError } from '../../../src/errors.ts'
import { tableSql } from '../../support/migrations.ts'
import { actor, type RolloutStage, rolloutStage } from '../../support/rollout.ts'

const column = 'alter table a add column n integer'

/** Everybody has 0001. */
async function migrated(stage: RolloutStage): Promise<void> {
  await stage.write('0001-first.sql', tableSql('a'))
  assert.equal((await (await stage.rollout()).up({ actor })).state, 'done')
}

test('every place is migrated, in one set of files: shared tables, schemas, databases, and what waits for a tenant', async (t) => {
  const stage = await rolloutStage(t)
  await stage.tenants(70)
  const own = await stage.ownDatabase({ slug: 'initech' })
  const stock = await stage.ownDatabase()
  await stage.catalog.superuser.query(
    `insert into partywall.schemas (database_name, schema_name, state) values ($1, 't_${'0'.repeat(24)}', 'stock')`,
    [stage.schemas.name],
  )
  await stage.schemas.superuser.query(`create schema t_${'0'.repeat(24)} authorization partywall_owner`)
  await stage.write('0001-first.sql', tableSql('a'))
  await stage.write('0002-second.sql', column)
  const rollout = await stage.rollout()
  const plan = await rollout.plan()
  assert.deepEqual([plan.to, plan.total, plan.rings], ['0002', 74, [{ ring: 'rest', databases: 3, schemas: 71, oldest: null }]])
  const events: OperationEvent[] = []
  const result = await rollout.up({ actor, onEvent: (event) => events.push(event) })
  assert.deepEqual([result.state, result.done, result.failed, result.skipped, result.pending], ['done', 74, 0, 0, 0])
  assert.deepEqual(await stage.ledger(), { '0001': 71, '0002': 71 })
  assert.deepEqual(await stage.versions(), { '0002': 74 })
  for (const { superuser } of [stage.catalog, own, stock]) {
    assert.deepEqual(await superuser.query('select version from partywall.ledger order by version'), [
      { version: '0001' },
      { version: '0002' },
    ])
  }
  assert.deepEqual(events.at(-1), { kind: 'progress', done: 74, total: 74, failed: 0, running: 0 })
  assert.deepEqual(
    stage.auditTrail.events().map(({ action }) => action),
    ['migration.started'],
  )
  const again = await rollout.up({ actor })
  assert.deepEqual([again.state, again.id], ['nothing', undefined])
  const [runs] = await stage.catalog.superuser.query<{ count: number }>('select count(*)::int as count from partywall.migration_runs')
  assert.equal(runs?.count, 1)
})

test('one that fails does not stop the others; the status says where and why, and resume does only that one', async (t) => {
  const stage = await rolloutStage(t)
  const tenants = await stage.tenants(60)
  await migrated(stage)
  const bad = tenants[46]!
  await stage.schemas.superuser.query(`alter table ${bad.schema}.a add column n text`)
  await stage.write('0002-second.sql', column)
  const rollout = await stage.rollout()
  const events: OperationEvent[] = []
  const result = await rollout.up({ actor, onEvent: (event) => events.push(event) })
  assert.deepEqual([result.state, result.done, result.failed], ['done', 60, 1])
  const failures = events.filter(({ kind }) => kind === 'step')
  assert.equal(failures.length, 1)
  assert.partialDeepStrictEqual(failures[0], { operation: 'migrate', tenant: bad.id, state: 'failed' })
  assert.deepEqual(await stage.ledger(), { '0001': 60, '0002': 59 })
  assert.deepEqual(await stage.versions(), { '0001': 1, '0002': 60 })
  const { places, next } = await rollout.places({ only: 'failed' })
  assert.equal(next, undefined)
  assert.deepEqual(
    places.map(({ slug, version, error }) => [slug, version, error?.code]),
    [[bad.slug, '0001', 'PW_MIGRATION']],
  )
  assert.match(places[0]?.error?.message ?? '', /0002-second\.sql:1 in t_\w+ failed: column "n" .* already exists/)
  const status = await rollout.status()
  assert.deepEqual([status.behind, status.run?.counts], [1, [{ ring: 'rest', pending: 0, running: 0, done: 60, failed: 1, skipped: 0 }]])

  const before = await stage.schemas.superuser.query('select max(applied_at) as at from partywall.ledger')
  assert.equal((await rollout.resume({ actor })).failed, 1)
  assert.deepEqual(await stage.schemas.superuser.query('select max(applied_at) as at from partywall.ledger'), before)
  await stage.schemas.superuser.query(`alter table ${bad.schema}.a drop column n`)
  const mended = await rollout.resume({ actor })
  assert.deepEqual([mended.state, mended.done, mended.failed], ['done', 61, 0])
  assert.deepEqual(await stage.ledger(), { '0001': 60, '0002': 60 })
  assert.equal((await rollout.status()).behind, 0)
})

test('more failures than the budget halt it before the next batch, and it can be resumed', async (t) => {
  const stage = await rolloutStage(t)
  await stage.tenants(40)
  await migrated(stage)
  await stage.schemas.superuser.query(
    `do $do$ declare s text; begin for s in select nspname from pg_namespace where nspname like 't\\_%' loop execute format('alter table %I.a add column n text', s); end loop; end $do$`,
  )
  await stage.write('0002-second.sql', column)
  const rollout = await stage.rollout({ budget: { failuresMax: 2 }, concurrency: 1 })
  const result = await rollout.up({ actor })
  assert.deepEqual([result.state, result.reason, result.failed], ['halted', '3 failed, and 2 may', 3])
  await assert.rejects(rollout.up({ actor }), RolloutInProgressError)
  await stage.schemas.superuser.query(
    `do $do$ declare s text; begin for s in select nspname from pg_namespace where nspname like 't\\_%' loop execute format('alter table %I.a drop column n', s); end loop; end $do$`,
  )
  const resumed = await rollout.resume({ actor })
  assert.deepEqual([resumed.state, resumed.done, resumed.failed], ['done', 41, 0])
})

test('rings go one after the other, and a failure in the first keeps the second from beginning', async (t) => {
  const stage = await rolloutStage(t)
  const canaries = await stage.tenants(2, { prefix: 'canary', settings: { canary: true } })
  await stage.tenants(30)
  await stage.tenants(3, { prefix: 'big', plan: 'enterprise' })
  await migrated(stage)
  await stage.schemas.superuser.query(`alter table ${canaries[1]!.schema}.a add column n text`)
  await stage.write('0002-second.sql', column)
  const rings = [
    { name: 'canaries', tags: { canary: true } },
    { name: 'tenth', percent: 40 },
    { name: 'big', plans: ['enterprise'] },
  ] as const
  const rollout = await stage.rollout({ rings, budget: { failuresPercentMax: 20 } })
  const plan = await rollout.plan()
  const [first, second, third, rest] = plan.rings
  assert.deepEqual(first, { ring: 'canaries', databases: 0, schemas: 2, oldest: '0001' })
  assert.ok(second!.schemas > 0 && second!.schemas < 33, `${second!.schemas}`)
  assert.equal(second!.schemas + second!.databases + third!.schemas + rest!.schemas + rest!.databases, 34)
  const result = await rollout.up({ actor })
  assert.deepEqual([result.state, result.reason], ['halted', '1 of the 2 in the ring failed, and 20 % may'])
  // Whichever of the two was first: beyond them nobody was touched.
  assert.ok(((await stage.ledger())['0002'] ?? 0) <= 1)
  await stage.schemas.superuser.query(`alter table ${canaries[1]!.schema}.a drop column n`)
  assert.equal((await rollout.resume({ actor })).done, 36)
})

test('a pause and an abort of another process take effect between batches', async (t) => {
  const stage = await rolloutStage(t)
  await stage.tenants(80)
  await migrated(stage)
  await stage.write('0002-second.sql', column)
  const [rollout, other] = [await stage.rollout({ concurrency: 1 }), await stage.rollout()]
  const stopping = async (stop: 'pause' | 'abort', state: string) => {
    let asked: Promise<unknown> | undefined
    const onEvent = (event: OperationEvent) => {
      asked ??= event.kind === 'progress' ? other[stop]({ actor, reason: 'The test says so.' }) : undefined
    }
    const result = state === 'paused' ? await rollout.up({ actor, onEvent }) : await rollout.resume({ actor, onEvent })
    await asked
    assert.equal(result.state, state)
    return result
  }
  const paused = await stopping('pause', 'paused')
  assert.ok(paused.pending > 0, `${paused.pending}`)
  assert.deepEqual([paused.reason, paused.running], ['The test says so.', 0])
  const aborted = await stopping('abort', 'aborted')
  assert.ok(aborted.pending > 0)
  await assert.rejects(rollout.resume({ actor }), RolloutNotFoundError)
  await assert.rejects(rollout.pause({ actor }), RolloutNotFoundError)
  const rest = await rollout.up({ actor })
  assert.equal(rest.state, 'done')
  assert.deepEqual(await stage.ledger(), { '0001': 80, '0002': 80 })
  assert.deepEqual(await stage.versions(), { '0002': 81 })
})

test('a file that was changed, and one whose number comes too late, are refused before anything is begun', async (t) => {
  const stage = await rolloutStage(t)
  await stage.tenants(3)
  await stage.write('0002-first.sql', tableSql('a'))
  assert.equal((await (await stage.rollout()).up({ actor })).done, 4)
  await stage.write('0001-late.sql', tableSql('b'))
  await assert.rejects(
    (await stage.rollout()).up({ actor }),
    (error: Error) => error instanceof MigrationError && /0001-late\.sql comes before 0002-first\.sql/.test(error.message),
  )
  await stage.write('0001-late.sql', '')
  const changed = await rolloutStage(t)
  await changed.tenants(3)
  await migrated(changed)
  await changed.write('0001-first.sql', `${tableSql('a')}-- changed`)
  await changed.write('0002-second.sql', column)
  await assert.rejects((await changed.rollout()).up({ actor }), /0001-first\.sql was applied to .* with another content/)
  assert.deepEqual(await changed.ledger(), { '0001': 3 })
})

test('what the lint refuses is not begun, unless somebody insists', async (t) => {
  const stage = await rolloutStage(t)
  await stage.tenants(3)
  await migrated(stage)
  await stage.write('0002-index.sql', 'create index a_id_idx on a (tenant_id, id)')
  const rollout = await stage.rollout()
  await assert.rejects(rollout.up({ actor }), /0002-index\.sql:1: .*Build it concurrently/)
  assert.deepEqual(
    (await rollout.plan()).findings.map(({ rule }) => rule),
    ['blocking-index'],
  )
  assert.equal((await rollout.up({ actor, ignoresLint: true })).done, 4)
})
