import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lostCommits } from '../../../../src/postgres/doctor/checks/lost-commits.ts'
import { inBrokenDatabase } from '../../../support/doctor-stage.ts'

/** These belong to the server, and the tests' own is run without them: the check reads a stand-in of the view. */
test('lost-commits finds what a crash would take back, and nothing in a server that keeps what it confirms', async (t) => {
  await inBrokenDatabase(t, async (superuser) => {
    const found = async (...off: readonly string[]) => {
      const control = {
        query: async <Row extends object>(text: string, values?: readonly unknown[]) =>
          await superuser.query<Row>(
            `with told (name, setting) as (
               select n, case when n = any (string_to_array('${off.join()}', ',')) then 'off' else 'on' end
                 from unnest(array['fsync', 'full_page_writes', 'synchronous_commit', 'ssl']) as n
             ) ${text.replaceAll('pg_catalog.pg_settings', 'told')}`,
            values,
          ),
      }
      const said = await lostCommits.find({ control, appRole: 'partywall_app', serverVersion: 180_004, now: new Date() })
      return said.map(({ object, level }) => [object, level])
    }
    assert.deepEqual(await found(), [])
    assert.deepEqual(await found('ssl'), [])
    assert.deepEqual(await found('synchronous_commit'), [['synchronous_commit', 'note']])
    assert.deepEqual(await found('full_page_writes', 'fsync'), [
      ['fsync', 'warning'],
      ['full_page_writes', 'warning'],
    ])
  })
})
