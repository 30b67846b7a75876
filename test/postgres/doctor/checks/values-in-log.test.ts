import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { valuesInLog } from '../../../../src/postgres/doctor/checks/values-in-log.ts'
import { findAsDoctor, inBrokenDatabase, provesCheck } from '../../../support/doctor-stage.ts'

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

  test('values of statements that are logged of the application’s login alone', (t) =>
    provesCheck(t, valuesInLog, {
      breaks: 'alter role partywall_app set log_parameter_max_length_on_error = 64',
      object: 'partywall_app: log_parameter_max_length_on_error',
    }))

  test('trees of statements that are logged in one database', async (t) => {
    await inBrokenDatabase(t, async (superuser) => {
      const [here] = await superuser.query<{ name: string }>('select current_database() as name')
      const found = async () =>
        (await findAsDoctor(superuser, valuesInLog)).filter(({ object }) => object === `everybody in ${here!.name}: debug_print_plan`)
      assert.deepEqual(await found(), [])
      await superuser.query(`alter database ${here!.name} set debug_print_plan = on`)
      const [said] = await found()
      assert.equal(said!.fix, `alter database ${here!.name} reset debug_print_plan;`)
      await superuser.query(said!.fix!)
      assert.deepEqual(await found(), [])
    })
  })

  test('no values that a stored setting keeps out, and none of a role that is not the application’s', async (t) => {
    await inBrokenDatabase(t, async (superuser) => {
      const found = async () => (await findAsDoctor(superuser, valuesInLog)).map(({ object }) => object)
      const before = await found()
      await superuser.query('alter role partywall_app set log_parameter_max_length_on_error = 0')
      await superuser.query('alter role partywall_app set debug_print_plan = off; alter role partywall_migrator set debug_print_plan = on')
      assert.deepEqual(await found(), before)
    })
  })

  test('what pgaudit logs: its settings are there with the library alone, so that a stand-in of pg_settings is read', async (t) => {
    await inBrokenDatabase(t, async (superuser) => {
      const found = async (value: string) => {
        const control = {
          query: async <Row extends object>(text: string, values?: readonly unknown[]) =>
            await superuser.query<Row>(
              `with told (name, setting) as (values ('pgaudit.log_parameter', '${value}')) ${text.replaceAll('pg_catalog.pg_settings', 'told')}`,
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
