// Moves that begin and end at the same time, between the same databases: each has its login, and none is in another's way.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { MemorySecretStore } from '../../src/core/memory-secret-store.ts'
import type { PlacedTenant } from '../../src/core/placement-adapter.ts'
import { pastCollisions } from '../../src/postgres/catalog-collision.ts'
import { dropTransferLogin, ensureTransferLogin, transferLoginName } from '../../src/postgres/transfer-login.ts'
import { type Fleet, fleet } from '../support/fleet.ts'
import { movableMigrations, needsMoves } from '../support/move-checks.ts'

describe('logins of transfers', { skip: needsMoves }, () => {
  let made: Fleet
  let tenant: PlacedTenant

  before(async () => {
    made = await fleet(movableMigrations)
    tenant = await made.tenant('pooled')
  })
  after(async () => await made?.strike())

  test('many are made and dropped at once on one database, whose row they all change', async () => {
    const access = { connections: made.connections, secrets: new MemorySecretStore() }
    // The database of the administrators stands in for one that is not made yet, so that all moves of a server meet there.
    const sites = [{ server: 'main', databases: ['postgres', made.catalog.name] }]
    const ids = Array.from({ length: 16 }, () => randomUUID())
    for (let times = 0; times < 3; times++) {
      await Promise.all(ids.map(async (id) => await ensureTransferLogin(access, { id, tenant }, sites)))
      const dropped = await Promise.all(ids.map(async (id) => await dropTransferLogin(access, id, sites)))
      assert.deepEqual(new Set(dropped), new Set([1]))
    }
    const left = await made.connections.asAdministrator('main', (admin) =>
      admin.query('select from pg_catalog.pg_roles as r where r.rolname = any ($1)', [ids.map(transferLoginName)]),
    )
    assert.equal(left.length, 0)
  })
})

test('what fails otherwise is not tried again', async () => {
  let tries = 0
  await assert.rejects(
    pastCollisions(async () => {
      tries += 1
      throw new TypeError('no collision')
    }),
    TypeError,
  )
  assert.equal(tries, 1)
})
