// Each canary, and the wall without the stone that it stands on. Each database is the test's own, so that its functions may be broken.

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { systemClock } from '../../src/core/clock.ts'
import { BootRefusedError } from '../../src/errors.ts'
import { assertWallStands, canaryFindings } from '../../src/postgres/canaries.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { createTenancy } from '../../src/tenancy.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const table = `
  create table app.notes (tenant_id uuid not null, id uuid not null, constraint notes_pkey primary key (tenant_id, id));
  select partywall.protect('app.notes');`

async function parts(t: TestContext, database: TestDatabase) {
  const reader = new ControlPool({ connectionString: database.urls.gatekeeper, applicationName: 'test' })
  t.after(() => reader.close())
  return { reader, database: database.urls.app, clock: systemClock, applicationName: 'test', prepare: undefined }
}

async function found(t: TestContext, breaks: string): Promise<readonly string[]> {
  const database = await testDatabase(t)
  await database.superuser.query(`set role partywall_owner; ${table} ${breaks}; reset role`)
  return [...new Set((await canaryFindings(await parts(t, database))).map(({ rule }) => rule))].sort()
}

/** `partywall.bound`, of what a condition lets through. */
function bound(condition: string, otherwise = 'partywall.refuse()'): string {
  return `create or replace view partywall.bound with (security_barrier = true) as
    select coalesce((
      select c.tenant_id from partywall.capabilities as c
       where c.capability = nullif(current_setting('partywall.capability', true), '')::uuid and ${condition}), ${otherwise}) as tenant_id`
}

describe('the canaries', () => {
  test('find nothing where the wall stands', async (t) => assert.deepEqual(await found(t, ''), []))

  const mutants: readonly (readonly [what: string, breaks: string, rules: readonly string[]])[] = [
    ['a capability past its end is believed', bound('c.is_readable'), ['canary_expired']],
    [
      'a tenant’s id is believed in place of a capability',
      bound(
        'c.is_readable and c.expires_at > clock_timestamp()',
        `coalesce((select g.tenant_id from partywall.gates as g where g.tenant_id = nullif(current_setting('partywall.capability', true), '')::uuid), partywall.refuse())`,
      ),
      ['canary_forged'],
    ],
    [
      'a stranger is a tenant',
      bound('c.is_readable and c.expires_at > clock_timestamp()', `'00000000-0000-0000-0000-0000000000ca'::uuid`),
      ['canary_expired', 'canary_forged', 'canary_residue', 'canary_revoked'],
    ],
    [
      'everybody is the same tenant',
      `create or replace view partywall.bound with (security_barrier = true) as select '00000000-0000-0000-0000-0000000000cb'::uuid as tenant_id`,
      ['canary_connection', 'canary_expired', 'canary_forged', 'canary_own', 'canary_residue', 'canary_revoked'],
    ],
    [
      'revoking does nothing',
      `create or replace function partywall.revoke(capabilities uuid[]) returns bigint language sql security definer begin atomic select 0::bigint; end`,
      ['canary_revoked'],
    ],
    [
      'a second tenant may be bound in a transaction',
      `create or replace function partywall.bind_capability(capability text) returns text language plpgsql security definer set search_path = pg_catalog, pg_temp
         as 'begin perform set_config(''partywall.capability'', $1, true); return null; end'`,
      ['canary_rebound'],
    ],
    [
      'what is bound outlives its transaction',
      `create or replace function partywall.bind_capability(capability text) returns text language plpgsql security definer set search_path = pg_catalog, pg_temp
         as 'begin perform set_config(''partywall.capability'', $1, false); return null; end'`,
      ['canary_rebound', 'canary_residue'],
    ],
    ['the app may read capabilities', 'grant select on partywall.capabilities to partywall_app', ['canary_role']],
    [
      'the app may issue capabilities',
      'grant execute on function partywall.issue(uuid[], interval, text) to partywall_app',
      ['canary_role'],
    ],
    [
      'the gatekeeper may read tenants’ rows',
      'grant select on app.notes, partywall.bound to partywall_gatekeeper; grant execute on function partywall.refuse() to partywall_gatekeeper',
      ['canary_role'],
    ],
  ]
  for (const [what, breaks, rules] of mutants) {
    test(`find out when ${what}`, async (t) => assert.deepEqual(await found(t, breaks), rules))
  }

  test('stop the start, with what they saw', async (t) => {
    const database = await testDatabase(t)
    await database.superuser.query(`set role partywall_owner; ${bound('c.is_readable')}; reset role`)
    await assert.rejects(assertWallStands(await parts(t, database)), (error: unknown) => {
      assert.ok(error instanceof BootRefusedError)
      assert.match(error.message, /canary_expired: a capability that has run out was not refused/)
      return true
    })
    await assert.rejects(createTenancy({ catalog: database.urls.gatekeeper, database: database.urls.app }), BootRefusedError)
  })

  test('leave no live capability behind', async (t) => {
    const database = await testDatabase(t)
    await canaryFindings(await parts(t, database))
    const [live] = await database.superuser.query<{ count: string }>(
      `select count(*) from partywall.capabilities as c where c.issued_to <> 'nobody' and c.expires_at > clock_timestamp()`,
    )
    assert.equal(live?.count, '0')
  })
})
