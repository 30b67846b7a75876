// Staff have no way to a tenant's data but a grant. The same promises in every placement: PARTYWALL_TEST_PLACEMENT=database npm test -- …

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entriesOf } from '../../src/core/audit-batch.ts'
import { statementFingerprint } from '../../src/core/grant-use.ts'
import { BreakGlassRefusedError, GrantNotFoundError, InvalidInputError, TransactionAbortedError } from '../../src/errors.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { anyId, type Emergency, emergency, operator, person } from '../support/break-glass.ts'
import { rowsPerTenant } from '../support/cast.ts'
import { hasOwnDatabase } from '../support/isolation.ts'

const countNotes = 'select count(*)::int as count, count(distinct tenant_id)::int as tenants from notes'

test('a grant that somebody else approved shows the rows of its tenant, and of no other', async (t) => {
  const set = await emergency(t)
  const { id } = await set.granted()
  const seen = await set.tenancy.breakGlass(id, set.ada, async (context) => {
    assert.deepEqual(context.actor, { kind: 'staff', id: 'ada' })
    assert.equal(context.grant?.grantId, id)
    const { rows } = await set.tenancy.query<{ count: number; tenants: number }>(countNotes)
    const other = await set.tenancy.query('select 1 from notes where tenant_id = $1', [set.carol.id])
    assert.equal(other.rows.length, 0)
    return rows[0]
  })
  assert.deepEqual(seen, { count: rowsPerTenant, tenants: 1 })
  assert.equal((await set.store.find(id))?.state, 'open')
})

test('every door honours the grant: transaction, stream, pool, client, Kysely; the cache and new capabilities refuse it', async (t) => {
  const set = await emergency(t)
  const { id } = await set.granted()
  const { tenancy } = set
  const before = set.events.length
  await tenancy.breakGlass(id, set.ada, async (context) => {
    const one = await tenancy.transaction(async (tx) => (await tx.query<{ count: number }>(countNotes)).rows[0]?.count)
    const streamed: unknown[] = []
    for await (const row of tenancy.stream('select id from notes')) streamed.push(row)
    const pool = tenancy.pool()
    const two = await pool.query(countNotes)
    const client = await pool.connect()
    await client.query('begin')
    const three = await client.query(countNotes)
    await assert.rejects(client.query(`update notes set body = 'changed'`), isWriteRefusal)
    await client.query('rollback')
    client.release()
    await pool.end()
    const four = await tenancy.db<{ notes: { id: string } }>().selectFrom('notes').select('id').execute()
    assert.deepEqual([one, streamed.length, two.rows[0]?.count, three.rows[0]?.count, four.length], Array(5).fill(rowsPerTenant))
    const five = await tenancy.for(context).query<{ count: number }>(countNotes)
    assert.equal(five.rows[0]?.count, rowsPerTenant)
    assert.throws(() => tenancy.cache(), BreakGlassRefusedError)
    await assert.rejects(tenancy.issueCapability('bob', { reason: 'to be kept' }), BreakGlassRefusedError)
    await assert.rejects(
      tenancy.run('bob', () => {}),
      BreakGlassRefusedError,
    )
    await assert.rejects(
      tenancy.acrossTenants({ reason: 'to leave the grant' }, () => {}),
      BreakGlassRefusedError,
    )
  })
  const statements = set.events.slice(before).filter(({ action }) => action === 'break_glass.statement')
  assert.equal(statements.length, 7, 'each statement that was sent is recorded')
})

test('without a grant there is no way: unknown, only asked for, denied, or with another person’s key', async (t) => {
  const set = await emergency(t)
  const tries = (id: string, key = set.ada.key) => set.tenancy.breakGlass(id, { key }, () => set.tenancy.query(countNotes))
  await assert.rejects(tries(anyId()), GrantNotFoundError)
  await assert.rejects(tries('1 or true'), InvalidInputError)
  await assert.rejects(tries((await set.requested()).id), BreakGlassRefusedError)
  const denied = await set.breakGlass.deny((await set.requested()).id, set.grace)
  await assert.rejects(tries(denied.id), BreakGlassRefusedError)
  const good = await set.granted()
  await assert.rejects(tries(good.id, set.grace.key), BreakGlassRefusedError)
  await assert.rejects(tries(good.id, person('mallory').key), BreakGlassRefusedError)
  await assert.rejects(tries(good.id, 'no key'), InvalidInputError)
  assert.equal(set.events.filter(({ action, outcome }) => action === 'break_glass.open' && outcome === 'refused').length, 4)
  assert.equal((await tries(good.id)).rows.length, 1)
})

test('for reading alone means that the database refuses each write, by whatever SQL', async (t) => {
  const set = await emergency(t)
  await set.migrate(`
    create function change_notes() returns bigint language sql volatile security definer
      as $$ update notes set body = 'changed' returning 1; select 1::bigint $$;
    grant execute on function change_notes() to public;
  `)
  const { id } = await set.granted()
  const writes = [
    `insert into notes (title) values ('new')`,
    `update notes set body = 'changed'`,
    'delete from notes',
    `with w as (update notes set body = 'changed' returning id) select count(*) from w`,
    `select set_config('transaction_read_only', 'off', true), (select count(*) from notes)`,
    'select change_notes()',
    'truncate notes',
    `select id from notes for update`,
  ]
  await set.tenancy.breakGlass(id, set.ada, async () => {
    for (const text of writes) await assert.rejects(set.tenancy.query(text), Error, text)
    await set.tenancy.transaction(async (tx) => {
      await tx.query(countNotes)
      for (const text of writes)
        await assert.rejects(
          tx.savepoint((inner) => inner.query(text)),
          Error,
          text,
        )
    })
  })
  const changed = await set.aliceIn(set.bob, `select 1 from notes where tenant_id = $1 and body = 'secret of bob'`, [set.bob.id])
  assert.equal(changed.length, rowsPerTenant)
})

test('the capability itself reads and never writes, without our client, whatever becomes of the gate', async (t) => {
  const set = await emergency(t)
  const { id } = await set.granted()
  await set.tenancy.breakGlass(id, set.ada, () => set.tenancy.query(countNotes))
  const row = await capabilityOf(set, id)
  const writes = [
    `insert into notes (tenant_id, title) values ('${set.bob.id}', 'new')`,
    `update notes set body = 'changed'`,
    'delete from notes',
    `with w as (delete from notes returning id) select count(*) from w`,
  ]
  const pool = new ControlPool({ connectionString: set.placeOf(set.bob).app, applicationName: 'test-app', connectionsMax: 1 })
  t.after(() => pool.close())
  for (const state of ['open', 'moving', 'read_only', 'open'] as const) {
    await set.setGate(set.bob, state)
    const seen = await pool.transaction(async (tx) => {
      await tx.query('select partywall.bind($1)', [row.capability])
      return await tx.query<{ count: number }>(countNotes)
    })
    assert.equal(seen[0]?.count, rowsPerTenant, state)
    for (const text of writes) {
      const refused = pool.transaction(async (tx) => {
        await tx.query('select partywall.bind($1)', [row.capability])
        await tx.query(`select set_config('partywall.writes_in', pg_current_xact_id()::text, true)`)
        await tx.query(text)
      })
      await assert.rejects(refused, (error: { code?: string }) => error.code === 'PW016', `${state}: ${text}`)
    }
  }
  // The wall taken away: the same capability, unmarked, writes. So it is the mark that refused.
  await set.aliceIn(set.bob, 'update partywall.capabilities set is_read_only = false where grant_id = $1', [id])
  await pool.transaction(async (tx) => {
    await tx.query('select partywall.bind($1)', [row.capability])
    await tx.query(`update notes set body = 'changed'`)
  })
  const changed = await set.aliceIn(set.bob, `select 1 from notes where body = 'changed' and tenant_id = $1`, [set.bob.id])
  assert.equal(changed.length, rowsPerTenant)
})

test('a grant for writing writes, and in none can one get a capability that outlives it', async (t) => {
  const set = await emergency(t)
  const { id } = await set.granted({ scope: 'read_write' })
  await set.tenancy.breakGlass(id, set.ada, async () => {
    const { rowCount } = await set.tenancy.query(`update notes set body = 'mended' where number = 1`)
    assert.equal(rowCount, 1)
    if (!hasOwnDatabase) return
    const own = `select i.capability from partywall.issue_own(interval '1 minute', 'kept') as i`
    await assert.rejects(set.tenancy.query(own), /no capability is issued/)
    const unlocking = set.tenancy.transaction(async (tx) => {
      for (const text of ['select pg_advisory_unlock_all()', `select set_config('partywall.capability', null, true)`]) {
        await tx.savepoint((inner) => inner.query(text)).catch(() => {})
      }
      await assert.rejects(tx.query(own), /no capability is issued/)
    })
    // At its COMMIT, and not at an assertion inside.
    await assert.rejects(unlocking, TransactionAbortedError)
  })
  const reading = await set.granted()
  await set.tenancy.breakGlass(reading.id, set.ada, async () => {
    await assert.rejects(
      set.tenancy.query(`select i.capability from partywall.issue_own(interval '1 minute', 'kept') as i`),
      /no capability is issued|permission denied/,
    )
  })
  // The application itself goes on as before, on the same connections.
  const { rows } = await set.tenancy.run('bob', () =>
    set.tenancy.query<{ count: number }>(`select count(*)::int as count from notes where body = 'mended'`),
  )
  assert.equal(rows[0]?.count, 1)
  await set.tenancy.run('bob', () => set.tenancy.query(`update notes set body = 'usual'`))
})

test('its capability ends with the grant at the latest, and is shared with nobody', async (t) => {
  const set = await emergency(t)
  const { id, expiresAt } = await set.granted({ minutes: 1 })
  await set.tenancy.breakGlass(id, set.ada, () => set.tenancy.transaction((tx) => tx.query(countNotes), { timeoutMs: 30_000 }))
  await set.tenancy.breakGlass(id, set.ada, () => set.tenancy.query(countNotes))
  const rows = await set.aliceIn<{ late: boolean; is_read_only: boolean }>(
    set.bob,
    'select c.expires_at > $2 as late, c.is_read_only from partywall.capabilities as c where c.grant_id = $1',
    [id, expiresAt],
  )
  assert.ok(rows.length > 0)
  assert.deepEqual(new Set(rows.map(({ late, is_read_only }) => `${late} ${is_read_only}`)), new Set(['false true']))
  await set.tenancy.run('bob', () => set.tenancy.query(`update notes set body = 'usual'`))
})

test('a grant that is revoked in the middle of a transaction is over at its next statement', async (t) => {
  const set = await emergency(t)
  const { id } = await set.granted()
  const { tenancy } = set
  await tenancy.breakGlass(id, set.ada, async () => {
    const held = tenancy.transaction(async (tx) => {
      await tx.query(countNotes)
      await set.breakGlass.revoke(id, operator)
      await tx.query(countNotes)
    })
    await assert.rejects(held, BreakGlassRefusedError)
    await assert.rejects(tenancy.query(countNotes), BreakGlassRefusedError)
  })
  assert.equal((await set.aliceIn(set.bob, 'select 1 from partywall.capabilities where grant_id = $1', [id])).length, 0)
  await assert.rejects(
    tenancy.breakGlass(id, set.ada, () => {}),
    BreakGlassRefusedError,
  )
  await assert.rejects(set.breakGlass.revoke(id, operator), BreakGlassRefusedError)
})

test('what is held by its capability alone is cut off by the database when it is revoked, and when its time is over', async (t) => {
  const set = await emergency(t)
  const pool = new ControlPool({ connectionString: set.placeOf(set.bob).app, applicationName: 'test-app', connectionsMax: 1 })
  t.after(() => pool.close())
  const held = async (id: string, cut: () => Promise<unknown>): Promise<void> => {
    await set.tenancy.breakGlass(id, set.ada, () => set.tenancy.query(countNotes))
    const { capability } = await capabilityOf(set, id)
    await pool.transaction(async (tx) => {
      await tx.query('select partywall.bind($1)', [capability])
      await tx.query(countNotes)
      await cut()
      await tx.query(countNotes)
    })
  }
  const first = await set.granted()
  await assert.rejects(
    held(first.id, () => set.breakGlass.revoke(first.id, operator)),
    /capability is not known/,
  )
  const second = await set.granted()
  const over = `update partywall.capabilities set expires_at = clock_timestamp() where grant_id = $1`
  await assert.rejects(
    held(second.id, () => set.aliceIn(set.bob, over, [second.id])),
    /capability has expired/,
  )
})

test('it ends by itself: by the clock of the process, in the middle of its use, and by that of the tenant’s database', async (t) => {
  const set = await emergency(t)
  const { id } = await set.granted({ minutes: 5 })
  await set.tenancy.breakGlass(id, set.ada, async () => {
    await set.tenancy.query(countNotes)
    set.world.aheadMs = 5 * 60_000 + 1
    await assert.rejects(set.tenancy.query(countNotes), /has expired/)
  })
  await assert.rejects(
    set.tenancy.breakGlass(id, set.ada, () => {}),
    BreakGlassRefusedError,
  )
  set.world.aheadMs = -2 * 60_000
  await assert.rejects(
    set.tenancy.breakGlass(id, set.ada, () => {}),
    /in the future/,
  )
  set.world.aheadMs = 0
  const late = await set.aliceIn<{ reason: string; capability: string | null }>(
    set.bob,
    `select i.reason, i.capability from partywall.issue_for_grant($1, $2, interval '1 minute', clock_timestamp(), true, 'test') as i`,
    [set.bob.id, id],
  )
  assert.deepEqual(late, [{ reason: 'ended', capability: null }])
})

test('a use whose record cannot be written is refused, before anything is sent', async (t) => {
  const set = await emergency(t)
  const { id } = await set.granted({ scope: 'read_write' })
  await set.tenancy.breakGlass(id, set.ada, async () => {
    set.world.trailFailure = new RangeError('the disk is full')
    await assert.rejects(set.tenancy.query(`update notes set body = 'unseen'`), /disk is full/)
    await assert.rejects(
      set.tenancy.transaction((tx) => tx.query(`update notes set body = 'unseen'`)),
      /disk is full/,
    )
    await assert.rejects(set.tenancy.stream('select id from notes').next(), /disk is full/)
  })
  await assert.rejects(
    set.tenancy.breakGlass(id, set.ada, () => {}),
    /disk is full/,
  )
  assert.equal((await set.aliceIn(set.bob, `select 1 from notes where body = 'unseen'`)).length, 0)
})

test('each act is recorded for the tenant with who, why and until when; a statement by its fingerprint, and not its text', async (t) => {
  const set = await emergency(t)
  const { id, expiresAt } = await set.granted()
  await set.tenancy.breakGlass(id, set.ada, () => set.tenancy.query(`select 'a secret' from notes`))
  await set.breakGlass.end(id, set.ada)
  const events = set.events.filter(({ tenantId }) => tenantId === set.bob.id)
  assert.deepEqual(
    events.map(({ action, actor }) => `${action} ${actor?.id}`),
    ['break_glass.request ada', 'break_glass.approve grace', 'break_glass.open ada', 'break_glass.statement ada', 'break_glass.end ada'],
  )
  const statement = events[3]!
  assert.equal(statement.reason, 'The invoice of May is missing')
  assert.deepEqual(statement.details, {
    grant: id,
    ticket: 'SUP-4711',
    until: expiresAt?.toISOString(),
    fingerprint: statementFingerprint(`select 'a secret' from notes`),
  })
  assert.ok(!JSON.stringify(events).includes('a secret'))
  const shown = await set.tenancy.run('bob', () => set.tenancy.breakGlassGrants())
  assert.deepEqual(
    shown.map((grant) => [grant.id, grant.state, grant.requestedBy, grant.decidedBy]),
    [[id, 'ended', 'ada', 'grace']],
  )
  assert.deepEqual(await set.tenancy.run('carol', () => set.tenancy.breakGlassGrants()), [])
})

test('the tenant’s own log has each use, and each statement before it is sent, by which grant and by whom', async (t) => {
  const set = await emergency(t)
  await set.migrate('select partywall.create_audit_log()')
  const { id } = await set.granted()
  const { tenancy } = set
  const entries = async () => {
    const rows = await set.aliceIn<{ payload: string }>(
      set.bob,
      'select a.payload::text as payload from audit_log as a where a.tenant_id = $1 order by a.position',
      [set.bob.id],
    )
    return rows.flatMap(({ payload }) => entriesOf(1n, payload))
  }
  await tenancy.breakGlass(id, set.ada, async () => {
    // Without a flush: staff's statements are there before their rows are.
    await tenancy.query('select id from notes')
    assert.deepEqual(
      (await entries()).map(({ operation, outcome }) => [operation, outcome]),
      [
        ['break_glass.open', 'done'],
        ['select', 'begun'],
      ],
    )
    await tenancy.repository<{ id: string }>('folders').findAll({ limit: 1 })
    await tenancy.replica().query('select id from folders')
    for await (const row of tenancy.stream('select id from folders')) assert.ok(row)
    await assert.rejects(tenancy.query(`update notes set body = 'changed'`), isWriteRefusal)
  })
  await tenancy.audit.flush()
  const found = await entries()
  for (const { grant, actor } of found) assert.deepEqual([grant, actor], [id, { kind: 'staff', id: 'ada' }])
  assert.deepEqual(found.at(-1)?.operation, 'break_glass.end')
  const refused = found.filter(({ outcome }) => outcome === 'refused')
  assert.deepEqual(
    refused.map(({ operation, tables }) => [operation, tables]),
    [['update', ['notes']]],
  )
  assert.equal(found.filter(({ tables, outcome }) => tables?.includes('folders') === true && outcome === 'begun').length >= 3, true)
})

test('a grant’s context is worth nothing after its use', async (t) => {
  const set = await emergency(t)
  const { id } = await set.granted()
  const kept = await set.tenancy.breakGlass(id, set.ada, (context) => context)
  await assert.rejects(set.tenancy.for(kept).query(countNotes), /is over/)
})

test('a suspended tenant is opened by no grant', async (t) => {
  const set = await emergency(t)
  const { id } = await set.granted({ tenantId: set.dave.id })
  await assert.rejects(
    set.tenancy.breakGlass(id, set.ada, () => set.tenancy.query(countNotes)),
    { code: 'PW_TENANT_SUSPENDED' },
  )
})

async function capabilityOf(set: Emergency, id: string): Promise<{ readonly capability: string }> {
  const [row] = await set.aliceIn<{ capability: string }>(
    set.bob,
    'select c.capability from partywall.capabilities as c where c.grant_id = $1 limit 1',
    [id],
  )
  return row!
}

function isWriteRefusal(error: { readonly code?: string }): boolean {
  return error.code === '25006' || error.code === 'PW_BREAK_GLASS_REFUSED'
}
