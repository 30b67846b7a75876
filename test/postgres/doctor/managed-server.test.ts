// Where nobody is a superuser, as on a managed server, partywall is installed with less, and the doctor says what it cannot see.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ControlPool } from '../../../src/postgres/control-pool.ts'
import { examineCatalog } from '../../../src/postgres/doctor/fleet-doctor.ts'
import { startEmbeddedServer } from '../../../src/postgres/embedded.ts'
import { installPartywall } from '../../../src/postgres/install.ts'
import { passwords, urlFor } from '../../support/template.ts'

test('a server without a superuser is installed, looked at, and said to show less', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'partywall-managed-'))
  const server = await startEmbeddedServer({ directory, settings: { fsync: 'off' } })
  const superuser = new ControlPool({ connectionString: server.superuserUrl, applicationName: 'test-managed', connectionsMax: 1 })
  const login = { name: 'partywall_gatekeeper', password: passwords.gatekeeper }
  const gatekeeper = new ControlPool({ connectionString: urlFor(server.superuserUrl, 'app', login), applicationName: 'test-managed' })
  try {
    await superuser.query(`create role managed login createrole createdb password 'managed-test'`)
    await superuser.query('create database app owner managed')
    const managed = urlFor(server.superuserUrl, 'app', { name: 'managed', password: 'managed-test' })
    for (const _ of ['once', 'and again']) await installPartywall({ connectionString: managed, passwords, harden: false })
    const look = async () => {
      const events = await Array.fromAsync(examineCatalog(gatekeeper))
      const failed = events.flatMap((event) =>
        event.kind === 'finding' && event.finding.check === 'check-failed' ? [event.finding.problem] : [],
      )
      assert.deepEqual(failed, [])
      return events.flatMap((event) => (event.kind === 'unseen' ? [[event.unseen.kind, event.unseen.what]] : []))
    }
    assert.deepEqual(await look(), [['limit', 'settings that PostgreSQL shows to few']])
    // What the report says, by one who may.
    await superuser.query('grant pg_read_all_settings to partywall_doctor')
    assert.deepEqual(await look(), [])
  } finally {
    await superuser.close()
    await gatekeeper.close()
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
})
