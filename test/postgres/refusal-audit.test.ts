import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resolveTenant } from '../../src/core/resolver.ts'
import { parseTenantRef } from '../../src/core/tenant.ts'
import { HintMismatchError, TenantNotFoundError } from '../../src/errors.ts'
import { PostgresAuditTrail } from '../../src/postgres/audit-trail.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { testDatabase } from '../support/database.ts'
import { carol, memberOf, watchedDoor } from '../support/door-cast.ts'

test("a request that names a tenant which is not its own is on record, in nobody's name", async (t) => {
  const database = await testDatabase(t)
  const gatekeeper = new ControlPool({ connectionString: database.urls.gatekeeper, applicationName: 'test-refusal' })
  t.after(() => gatekeeper.close())
  const attempt = (...refs: string[]) =>
    resolveTenant({
      identity: memberOf('bob'),
      hints: refs.map((ref) => ({ source: 'header' as const, lookup: parseTenantRef(ref) })),
      tenants: watchedDoor().tenants,
      auditTrail: new PostgresAuditTrail(gatekeeper),
      requestId: 'r1',
    })
  for (const [refs, kind] of [
    [['carol'], TenantNotFoundError],
    [['unheard-of'], TenantNotFoundError],
    [['bob', 'carol'], HintMismatchError],
  ] as const) {
    await assert.rejects(attempt(...refs), (error: Error) => error instanceof kind && error.cause === undefined)
  }
  const rows = await database.superuser.query<{ reason: string; tenant_id: string | null; details: { named: (string | null)[] } }>(
    "select reason, tenant_id, details from partywall.audit_trail where action = 'tenancy.resolve' and outcome = 'refused' order by reason desc, details::text collate \"C\"",
  )
  assert.deepEqual(
    rows.map((row) => [row.reason, row.tenant_id, row.details.named.at(-1)]),
    [
      ['PW_TENANT_NOT_FOUND', null, carol.id],
      ['PW_TENANT_NOT_FOUND', null, null],
      ['PW_HINT_MISMATCH', null, carol.id],
    ],
  )
})
