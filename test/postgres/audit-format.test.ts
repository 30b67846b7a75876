// What docs/reference/audit-format.md says of verifying with a SQL client alone is so.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { parseTenantId } from '../../src/core/tenant.ts'
import { wallDatabase } from '../support/database.ts'

const bob = parseTenantId('01900000-0000-7000-8000-00000000000b')

test('the query of the page finds what was edited, removed or dated otherwise, and nothing in a log that is as it was', async (t) => {
  const { superuser } = await wallDatabase(t)
  const page = await readFile(new URL('../../docs/reference/audit-format.md', import.meta.url), 'utf8')
  const query = /```sql\n(select a\.position.*?);\n```/s.exec(page)?.[1]
  assert.ok(query !== undefined)
  const alice = (text: string) => superuser.query(`set search_path = app, pg_temp; ${text}; reset search_path`)
  await alice('set role partywall_owner; select partywall.create_audit_log(); reset role')
  await alice(`select partywall.set_gate('${bob}', 'open')`)
  for (let day = 1; day <= 4; day++) {
    const payload = `{"v":1,"id":"${crypto.randomUUID()}","at":"2026-01-0${day}T00:00:00.000Z","entries":[]}`
    await superuser.query('select partywall.append_audit(array[$1::uuid], array[$2], false)', [bob, payload])
  }
  const wrong = async (tampering: string): Promise<readonly string[]> => {
    const over = new Error('taken back')
    let found: readonly { position: string }[] = []
    await assert.rejects(
      superuser.transaction(async (connection) => {
        await connection.query('set local search_path = app, pg_temp')
        const [issued] = await connection.query<{ capability: string }>(
          `select capability from partywall.issue(array[$1::uuid], '1 minute', 'a test')`,
          [bob],
        )
        await connection.query('select partywall.bind($1)', [issued!.capability])
        await connection.query(tampering)
        found = await connection.query<{ position: string }>(query)
        throw over
      }),
      over,
    )
    return found.map(({ position }) => position)
  }
  assert.deepEqual(await wrong('select 1'), [])
  assert.deepEqual(await wrong(`update audit_log set payload = replace(payload::text, '[]', '[ ]')::json where position = 2`), ['2'])
  assert.deepEqual(await wrong(`update audit_log set hash = sha256('') where position = 2`), ['2', '3'])
  assert.deepEqual(await wrong('delete from audit_log where position = 2'), ['3'])
  assert.deepEqual(await wrong('delete from audit_log where position = 1'), ['2'])
  assert.deepEqual(await wrong(`update audit_log set at = at + interval '1 hour' where position = 4`), ['4'])
})
