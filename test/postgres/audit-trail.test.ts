import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { AuditEvent } from '../../src/core/audit-trail.ts'
import type { Json } from '../../src/core/tenant.ts'
import { PostgresAuditTrail } from '../../src/postgres/audit-trail.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { auditTrailConformance } from '../core/audit-trail-conformance.ts'
import { testDatabase } from '../support/database.ts'

interface StoredEvent {
  readonly action: string
  readonly outcome: 'allowed' | 'refused'
  readonly actor_kind: 'user' | 'service' | 'staff' | 'system' | null
  readonly actor_id: string
  readonly tenant_id: AuditEvent['tenantId'] | null
  readonly request_id: string | null
  readonly reason: string | null
  readonly details: Record<string, Json> | null
}

async function trailUnderTest(t: TestContext) {
  const { urls, superuser } = await testDatabase(t)
  const pools = (['gatekeeper', 'migrator', 'app'] as const).map(
    (login) => new ControlPool({ connectionString: urls[login], applicationName: 'test-audit-trail' }),
  )
  t.after(() => Promise.all(pools.map((pool) => pool.close())))
  const [gatekeeper, migrator, app] = pools as [ControlPool, ControlPool, ControlPool]
  const events = async (): Promise<readonly AuditEvent[]> => {
    const rows = await superuser.query<StoredEvent>('select * from partywall.audit_trail order by position')
    return rows.map((row) => ({
      action: row.action,
      outcome: row.outcome,
      actor: row.actor_kind === null ? undefined : { kind: row.actor_kind, id: row.actor_id },
      tenantId: row.tenant_id ?? undefined,
      requestId: row.request_id ?? undefined,
      reason: row.reason ?? undefined,
      ...(row.details !== null && { details: row.details }),
    }))
  }
  return { trail: new PostgresAuditTrail(gatekeeper), events, gatekeeper, migrator, app, superuser }
}

auditTrailConformance('PostgreSQL audit trail', trailUnderTest)

const event: AuditEvent = {
  action: 'hint.mismatch',
  outcome: 'refused',
  actor: undefined,
  tenantId: undefined,
  requestId: undefined,
  reason: undefined,
}

test('the gatekeeper appends to the trail and can neither read, change nor forge it; the app cannot even append', async (t) => {
  const { trail, events, gatekeeper, app, superuser } = await trailUnderTest(t)
  await trail.record(event)
  const statements = [
    'select * from partywall.audit_trail',
    "update partywall.audit_trail set action = 'x'",
    'delete from partywall.audit_trail',
    'truncate partywall.audit_trail',
    "insert into partywall.audit_trail (action, outcome, recorded_by) values ('x', 'allowed', 'eve')",
    'drop table partywall.audit_trail',
    'alter table partywall.audit_trail disable trigger all',
  ]
  for (const statement of statements) {
    await assert.rejects(gatekeeper.query(statement), { code: '42501' }, statement)
    await assert.rejects(app.query(statement), { code: '42501' }, statement)
  }
  await assert.rejects(app.query("select partywall.record_audit('x', 'allowed', null, null, null, null, null, null)"), { code: '42501' })
  assert.equal((await events()).length, 1)
  const [row] = await superuser.query<{ recorded_by: string }>('select recorded_by from partywall.audit_trail')
  assert.equal(row?.recorded_by, 'partywall_gatekeeper')
})

test('not even the owner changes or deletes what was recorded', async (t) => {
  const { trail, events, migrator } = await trailUnderTest(t)
  await trail.record(event)
  assert.equal((await migrator.query('select position from partywall.audit_trail')).length, 1)
  for (const statement of [
    "update partywall.audit_trail set outcome = 'allowed'",
    'delete from partywall.audit_trail',
    'truncate partywall.audit_trail',
  ]) {
    await assert.rejects(migrator.query(statement), { code: '42501' }, statement)
  }
  assert.deepEqual(await events(), [event])
})
