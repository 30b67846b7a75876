import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idleReplicationSlot } from '../../../../src/postgres/doctor/checks/idle-replication-slot.ts'
import { findAsDoctor, inBrokenDatabase } from '../../../support/doctor-stage.ts'

/** A gigabyte of log is not written for a test: the check reads a stand-in of the view, with a slot that stands where the log began. */
test('idle-replication-slot finds one that nobody reads and that keeps much, and not one that is read, or is near', async (t) => {
  await inBrokenDatabase(t, async (superuser) => {
    assert.deepEqual(
      (await findAsDoctor(superuser, idleReplicationSlot)).filter(({ object }) => object === 'left_behind'),
      [],
    )
    const found = async (row: string) => {
      const control = {
        query: async <Row extends object>(text: string, values?: readonly unknown[]) =>
          await superuser.query<Row>(
            `with told (slot_name, active, temporary, wal_status, restart_lsn) as (values (${row}))
             ${text.replaceAll('pg_catalog.pg_replication_slots', 'told').replaceAll('pg_current_wal_lsn()', `'2/0'::pg_lsn`)}`,
            values,
          ),
      }
      return await idleReplicationSlot.find({ control, appRole: 'partywall_app', serverVersion: 180_004, now: new Date() })
    }
    const [said] = await found(`'left_behind', false, false, 'reserved', '0/100'::pg_lsn`)
    assert.match(said!.problem, /Nobody reads the slot left_behind \(reserved\), which keeps 8192 MB/)
    assert.equal(said!.fix, `select pg_drop_replication_slot('left_behind');`)
    assert.equal((await found(`'lost_one', false, false, 'lost', '1/FFFFFF00'::pg_lsn`)).length, 1)
    assert.deepEqual(await found(`'read_one', true, false, 'extended', '0/100'::pg_lsn`), [])
    assert.deepEqual(await found(`'near_one', false, false, 'reserved', '1/FFFFFF00'::pg_lsn`), [])
  })
})
