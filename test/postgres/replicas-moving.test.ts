// A tenant that has moved is not read at the replicas of the place that it left, however near they are.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stage } from '../support/cast.ts'
import { HandMover } from '../support/hand-mover.ts'
import { testReplica } from '../support/replica.ts'

test('a replica of the old place that stands still shows nothing to a process that knows of the move', async (t) => {
  const replica = await testReplica()
  t.after(async () => {
    await replica.control.query('select pg_wal_replay_resume()')
    await replica.close()
  })
  // So long a replica would be near enough.
  const here = await stage(t, { replicas: { ageMsMax: 60_000, lookEveryMs: 200, asideMs: 10 } })
  const { tenancy, database } = here
  const mover = await HandMover.start(t, here, here.bob)
  await database.superuser.query(
    `insert into partywall.replicas (server_name, name, region, host, port) values ('main', 'near', 'default', $1, $2)`,
    [replica.host, replica.port],
  )
  const read = async () => {
    const { rows } = await tenancy
      .replica()
      .query<{ at: string; replica: boolean; what: string }>(
        'select current_database() as at, pg_is_in_recovery() as replica, what from visits',
      )
    return rows
  }
  await tenancy.run('bob', async () => {
    await tenancy.query(`insert into visits (what) values ('1')`)
    for (let rows = await read(); rows.length === 0 || !rows[0]!.replica; ) rows = await read()
    await replica.control.query('select pg_wal_replay_pause()')
    await mover.switch()
    while ((await tenancy.tenants.get('bob')).placement.database === here.bob.placement.database);
    // In a context from before the switch; and nobody has written yet.
    assert.deepEqual(await read(), [{ at: mover.target.name, replica: false, what: '1' }])
    await tenancy.query(`insert into visits (what) values ('2')`)
    for (let i = 0; i < 5; i++)
      assert.deepEqual(
        (await read()).map(({ at, what }) => [at, what]),
        [
          [mover.target.name, '1'],
          [mover.target.name, '2'],
        ],
      )
  })
  await tenancy.run('bob', async () => assert.equal((await read()).length, 2))
})
