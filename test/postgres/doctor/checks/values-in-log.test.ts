import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { valuesInLog } from '../../../../src/postgres/doctor/checks/values-in-log.ts'
import { inBrokenDatabase, provesCheck } from '../../../support/doctor-stage.ts'

describe('values-in-log finds', () => {
  test('statements that are logged with their values', (t) =>
    provesCheck(t, valuesInLog, {
      breaks: `set local log_statement = 'mod'; set local log_parameter_max_length = -1`,
      object: 'log_statement',
      mend: 'set local log_parameter_max_length = 0',
    }))

  test('slow statements with their values', (t) =>
    provesCheck(t, valuesInLog, {
      breaks: 'set local log_min_duration_statement = 1000; set local log_parameter_max_length = 100',
      object: 'log_min_duration_statement',
      mend: 'set local log_min_duration_statement = -1',
    }))

  test('values of statements that fail', (t) =>
    provesCheck(t, valuesInLog, {
      breaks: 'set local log_parameter_max_length_on_error = 64',
      object: 'log_parameter_max_length_on_error',
      mend: 'set local log_parameter_max_length_on_error = 0',
    }))

  test('trees of statements', (t) =>
    provesCheck(t, valuesInLog, {
      breaks: 'set local debug_print_plan = on',
      object: 'debug_print_plan',
      mend: 'set local debug_print_plan = off',
    }))

  test('what pgaudit logs: its settings are there with the library alone, so that a stand-in of pg_settings is read', async (t) => {
    await inBrokenDatabase(t, async (superuser) => {
      const found = async (value: string) => {
        const control = {
          query: async <Row extends object>(text: string, values?: readonly unknown[]) =>
            await superuser.query<Row>(
              `with told (name, setting) as (values ('pgaudit.log_parameter', '${value}')), ${text.trimStart().slice('with '.length).replaceAll('pg_catalog.pg_settings', 'told')}`,
              values,
            ),
        }
        return (await valuesInLog.find({ control, appRole: 'partywall_app', serverVersion: 180_004, now: new Date() })).map(
          ({ object }) => object,
        )
      }
      assert.deepEqual([await found('on'), await found('off')], [['pgaudit.log_parameter'], []])
    })
  })
})
