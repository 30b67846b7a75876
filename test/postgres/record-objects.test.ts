import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { changedInstallation } from '../../src/postgres/doctor/checks/changed-installation.ts'
import { recordingObjects } from '../../src/postgres/record-objects.ts'
import { findAsDoctor, inBrokenDatabase } from '../support/doctor-stage.ts'

describe('what a file of partywall’s makes', () => {
  test('is written down, and so is what it drops', (t) =>
    inBrokenDatabase(t, async (superuser) => {
      const recorded = async () =>
        (
          await superuser.query<{ object: string }>(
            `select i.object from partywall.installed_objects as i where i.object like 'partywall.newer%'`,
          )
        ).map(({ object }) => object)
      const run = (text: string) => superuser.query(text)
      await recordingObjects(run, () => run('create function partywall.newer() returns integer language sql return 1'))
      assert.deepEqual(await recorded(), ['partywall.newer()'])
      assert.deepEqual(await findAsDoctor(superuser, changedInstallation), [])
      await superuser.query('drop table pg_temp.partywall_before, pg_temp.partywall_after')
      await recordingObjects(run, () => run('drop function partywall.newer()'))
      assert.deepEqual(await recorded(), [])
    }))

  test('does not bless what somebody changed before', (t) =>
    inBrokenDatabase(t, async (superuser) => {
      const run = (text: string) => superuser.query(text)
      await run('alter function partywall.hold_back() reset search_path')
      await recordingObjects(run, () => run('create function partywall.newer() returns integer language sql return 1'))
      assert.deepEqual(
        (await findAsDoctor(superuser, changedInstallation)).map(({ object }) => object),
        ['partywall.hold_back()'],
      )
    }))
})
