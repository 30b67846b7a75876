import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gateAgainstCatalog } from '../../../../src/postgres/doctor/checks/gate-against-catalog.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck } from '../../../support/doctor-stage.ts'

const bob = '01900000-0000-7000-8000-0000000000b0'
const tenant = (status: string) => `
  insert into partywall.tenants (id, slug, name, plan, region, isolation, database_name, schema_name, status)
  values ('${bob}', 'doctor-bob', 'Bob', 'free', 'default', 'pooled', 'main', 'app', '${status}')`

describe('gate-against-catalog finds', () => {
  for (const status of ['suspended', 'offboarding', 'onboarding']) {
    test(`an open gate of a tenant who is ${status}`, (t) =>
      provesCheck(t, gateAgainstCatalog, {
        breaks: `${tenant(status)}; update partywall.gates set state = 'open' where tenant_id = '${bob}'`,
        object: bob,
      }))
  }

  test('an open gate of nobody', (t) =>
    provesCheck(t, gateAgainstCatalog, {
      breaks: `insert into partywall.gates (tenant_id) values ('${bob}')`,
      object: bob,
      level: 'warning',
    }))

  test('a tenant without a gate', (t) =>
    provesCheck(t, gateAgainstCatalog, {
      breaks: `${tenant('active')}; delete from partywall.gates where tenant_id = '${bob}'`,
      object: bob,
      level: 'warning',
    }))

  test('nothing where the gate has followed', async (t) => {
    for (const status of ['active', 'suspended', 'offboarding']) {
      await inBrokenDatabase(t, async (superuser) => {
        await superuser.query(tenant(status))
        assert.deepEqual(
          (await findAsDoctor(superuser, gateAgainstCatalog)).filter(({ object }) => object === bob),
          [],
        )
      })
    }
  })
})
