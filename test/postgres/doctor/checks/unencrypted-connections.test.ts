import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unencryptedConnections } from '../../../../src/postgres/doctor/checks/unencrypted-connections.ts'
import { findAsDoctor, inBrokenDatabase } from '../../../support/doctor-stage.ts'

/** Both settings need a start of the server: the check reads a stand-in of pg_settings, in a schema before pg_catalog. */
test('unencrypted-connections finds a server that others reach without TLS, and not one with it or by itself', async (t) => {
  await inBrokenDatabase(t, async (superuser) => {
    assert.deepEqual(await findAsDoctor(superuser, unencryptedConnections), [])
    const found = async (ssl: string, addresses: string) => {
      const control = {
        query: async <Row extends object>(text: string, values?: readonly unknown[]) =>
          await superuser.query<Row>(
            `with told (name, setting) as (values ('ssl', '${ssl}'), ('listen_addresses', '${addresses}')) ${text.replaceAll('pg_catalog.pg_settings', 'told')}`,
            values,
          ),
      }
      return await unencryptedConnections.find({ control, appRole: 'partywall_app', serverVersion: 180_004, now: new Date() })
    }
    for (const addresses of ['*', '0.0.0.0', 'localhost, 10.0.0.7']) {
      const [said] = await found('off', addresses)
      assert.match(said!.problem, /listens on .* and has no TLS/)
      assert.deepEqual(await found('on', addresses), [])
    }
    for (const addresses of ['', 'localhost', '127.0.0.1,::1']) assert.deepEqual(await found('off', addresses), [])
  })
})
