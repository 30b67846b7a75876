// Migrations and moves: the tables of both places of a move keep their shape until it is over.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { OperationEvent } from '../../../src/core/operation-event.ts'
import { ControlPool } from '../../../src/postgres/control-pool.ts'
import { tableSql } from '../../support/migrations.ts'
import { actor, rolloutStage, type StagedTenant } from '../../support/rollout.ts'

const insertMove = `insert into partywall.moves (id, tenant_id, fence, source, target, actor_kind, actor_id, reason)
  values ($1, $2, 1, jsonb_build_object('database', $3::text, 'schema', $4::text), '{"database": "main", "schema": "app"}', 'staff', 'alice', 'A test.')`

const endMove = `update partywall.moves set state = 'cancelled', finished_at = now() where id = $1`

test('both places of a move are waited for, and the move is named; what is left is migrated when it is over', async (t) => {
  const stage = await rolloutStage(t)
  const [moving, ...others] = await stage.tenants(3)
  await stage.write('0001-first.sql', tableSql('a'))
  await (await stage.rollout()).up({ actor })
  await stage.write('0002-second.sql', 'alter table a add column n integer')
  const id = randomUUID()
  await stage.catalog.superuser.query(insertMove, [id, moving!.id, stage.schemas.name, moving!.schema])
  const seen: { ledger?: unknown; waiting?: readonly { why: string | undefined; place: string }[] } = {}
  const rollout = await stage.rollout()
  let meanwhile: Promise<void> | undefined
  const onEvent = (event: OperationEvent) => {
    if (event.kind !== 'progress' || event.done < others.length) return
    meanwhile ??= (async () => {
      seen.ledger = await stage.ledger()
      const { places } = await rollout.places({ only: 'pending' })
      seen.waiting = places.map(({ slug, database, error }) => ({ place: slug ?? database, why: error?.code }))
      assert.ok(places.every(({ error }) => error?.message.includes(id)))
      await stage.catalog.superuser.query(endMove, [id])
    })()
  }
  const result = await rollout.up({ actor, onEvent })
  await meanwhile
  assert.deepEqual(seen.ledger, { '0001': 3, '0002': 2 })
  assert.deepEqual(seen.waiting, [
    { place: 'main', why: 'moving' },
    { place: moving!.slug, why: 'moving' },
  ])
  assert.deepEqual([result.state, result.done, result.skipped], ['done', 4, 0])
  assert.deepEqual(await stage.ledger(), { '0001': 3, '0002': 3 })
})

test('a move that is not over in time is not waited for: its places are skipped, and resume has them', async (t) => {
  const stage = await rolloutStage(t)
  const [moving] = await stage.tenants(2)
  await stage.write('0001-first.sql', tableSql('a'))
  const id = randomUUID()
  await stage.catalog.superuser.query(insertMove, [id, moving!.id, stage.schemas.name, moving!.schema])
  const rollout = await stage.rollout({ operationWaitMs: 1 })
  const result = await rollout.up({ actor })
  assert.deepEqual([result.state, result.done, result.skipped], ['done', 1, 2])
  const { places } = await rollout.places({ only: 'skipped' })
  assert.ok(places.every(({ error }) => error?.code === 'moving' && error.message.includes(id)))
  await stage.catalog.superuser.query(endMove, [id])
  const resumed = await rollout.resume({ actor })
  assert.deepEqual([resumed.done, resumed.skipped], [3, 0])
})

test('a move that is being begun is seen by whoever claims places at that moment; one of claimed places does not begin', async (t) => {
  const stage = await rolloutStage(t)
  const [moving] = await stage.tenants(2)
  await stage.write('0001-first.sql', tableSql('a'))
  const mover = new ControlPool({ connectionString: stage.catalog.urls.superuser, applicationName: 'test-mover', connectionsMax: 1 })
  t.after(() => mover.close())
  const id = randomUUID()
  const rollout = await stage.rollout({ operationWaitMs: 1 })
  const result = await mover.session(async (session) => {
    await session.query('begin')
    await session.query(insertMove, [id, moving!.id, stage.schemas.name, moving!.schema])
    const going = rollout.up({ actor })
    await untilWaiting(stage.catalog.superuser)
    await session.query('commit')
    return await going
  })
  assert.deepEqual([result.done, result.skipped], [1, 2])
  await stage.catalog.superuser.query(endMove, [id])
  await claim(moving!)
  await assert.rejects(stage.catalog.superuser.query(insertMove, [randomUUID(), moving!.id, stage.schemas.name, moving!.schema]), {
    code: 'PW013',
  })

  async function claim({ id: tenantId }: StagedTenant): Promise<void> {
    await stage.catalog.superuser.query(
      `update partywall.migration_targets set state = 'running', claimed_by = 'somebody', claimed_until = now() + interval '1 hour' where tenant_id = $1`,
      [tenantId],
    )
  }
})

async function untilWaiting(superuser: Pick<ControlPool, 'query'>): Promise<void> {
  for (;;) {
    const waiting = await superuser.query(
      `select from pg_locks as l join pg_database as d on d.oid = l.database
        where l.locktype = 'advisory' and not l.granted and l.mode = 'ShareLock' and d.datname = current_database()`,
    )
    if (waiting.length > 0) return
  }
}
