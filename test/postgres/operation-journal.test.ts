import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { v7 as uuidv7 } from 'uuid'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { PostgresOperationJournal } from '../../src/postgres/operation-journal.ts'
import { journalConformance } from '../operations/journal-conformance.ts'
import { testDatabase } from '../support/database.ts'

async function journalUnderTest(t: TestContext) {
  const database = await testDatabase(t)
  const open = (connectionString: string) => {
    const pool = new ControlPool({ connectionString, applicationName: 'test-journal', connectionsMax: 4 })
    t.after(() => pool.close())
    return pool
  }
  const [reader, writer] = [open(database.urls.gatekeeper), open(database.urls.migrator)]
  const letTimePass = async () => {
    await database.superuser.query(
      `update partywall.operations set owned_until = owned_until - interval '1 minute', wake_at = wake_at - interval '1 minute'`,
    )
  }
  return { database, open, journal: new PostgresOperationJournal({ reader, writer }), letTimePass }
}

journalConformance('operation journal in PostgreSQL', journalUnderTest)

test('the gatekeeper reads the journal and cannot write it; the app cannot even read it', async (t) => {
  const { database, open } = await journalUnderTest(t)
  const gatekeeper = open(database.urls.gatekeeper)
  assert.deepEqual(await gatekeeper.query('select o.id from partywall.operations as o'), [])
  const insert = `insert into partywall.operations (id, tenant_id, kind, input, actor_kind, actor_id, reason, owner, owned_until)
                  values ('${uuidv7()}', '${uuidv7()}', 'suspend', '{}', 'staff', 'eve', '', 'eve', now())`
  await assert.rejects(gatekeeper.query(insert), { code: '42501' })
  await assert.rejects(gatekeeper.query(`update partywall.operations set state = 'done'`), { code: '42501' })
  const app = open(database.urls.app)
  await assert.rejects(app.query('select o.id from partywall.operations as o'), { code: '42501' })
  await assert.rejects(app.query(insert), { code: '42501' })
})
