import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pgauditState } from '../../../../src/postgres/doctor/checks/pgaudit-state.ts'
import { findAsDoctor, inBrokenDatabase } from '../../../support/doctor-stage.ts'

/** Its settings are there with the library alone, so that a stand-in of pg_settings is read. */
test('pgaudit-state tells what pgaudit records where it is loaded, and nothing where it is not', async (t) => {
  await inBrokenDatabase(t, async (superuser) => {
    assert.deepEqual(await findAsDoctor(superuser, pgauditState), [])
    const found = async (rows: string) => {
      const control = {
        query: async <Row extends object>(text: string, values?: readonly unknown[]) =>
          await superuser.query<Row>(
            `with told (name, setting) as (values ${rows}) ${text.replaceAll('pg_catalog.pg_settings', 'told')}`,
            values,
          ),
      }
      const said = await pgauditState.find({ control, appRole: 'partywall_app', serverVersion: 180_004, now: new Date() })
      return said.map(({ problem }) => problem)
    }
    const log = `('pgaudit.log', 'write, ddl'), ('pgaudit.log_parameter', 'off'), ('pgaudit.role', '')`
    assert.deepEqual(await found(`${log}, ('shared_preload_libraries', 'pg_stat_statements, pgaudit')`), [
      'pgaudit is loaded for every session: pgaudit.log is write, ddl, pgaudit.log_parameter is off, pgaudit.role is nobody.',
    ])
    assert.match((await found(`${log}, ('shared_preload_libraries', 'pgauditlogtofile')`))[0]!, /for this session alone/)
    assert.match((await found(log))[0]!, /^pgaudit is loaded: /)
    assert.deepEqual(await found(`('shared_preload_libraries', 'pg_stat_statements')`), [])
  })
})
