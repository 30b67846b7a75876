// Gates: what the database itself lets a tenant do, whatever any cache believes. Every state, for reads and for writes, at both
// ends of a snapshot; and the one lock that a mover waits for.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { GateState } from '../../src/core/placement-adapter.ts'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { capabilityOf, Eve } from '../support/eve.ts'
import { hasOwnDatabase, sharesTables } from '../support/isolation.ts'

const setGate = async (here: Stage, state: string): Promise<void> => await here.setGate(here.bob, state as GateState)

const states: Readonly<Record<string, { readonly read: string | undefined; readonly write: string | undefined }>> = {
  open: { read: undefined, write: undefined },
  moving: { read: undefined, write: undefined },
  read_only: { read: undefined, write: 'PW006' },
  fenced: { read: undefined, write: 'PW005' },
  moved: { read: 'PW005', write: 'PW005' },
  suspended: { read: 'PW004', write: 'PW004' },
}

const writes = [
  `insert into notes (title) values (gen_random_uuid()::text)`,
  `update notes set number = number + 1`,
  `delete from notes where number = 1`,
  `select 1 from notes for update`,
  `merge into notes as n using (values (1)) as v (a) on false when not matched then insert (title) values (gen_random_uuid()::text)`,
  `with w as (update notes set number = 0 returning 1) select count(*) from w`,
  `insert into notes (title) values ('bob''s note 2') on conflict (tenant_id, title) do update set number = 9`,
]

describe('a gate that is', () => {
  for (const [state, expected] of Object.entries(states)) {
    test(`${state} ${expected.read ? 'refuses reads' : 'lets reads through'} and ${expected.write ? 'refuses writes' : 'lets writes through'}`, async (t) => {
      const here = await stage(t)
      const eve = await Eve.enter(here, t)
      const [bob, carol] = [await capabilityOf(here, 'bob'), await capabilityOf(here, 'carol')]
      await setGate(here, state)
      for (const isolation of ['read committed', 'repeatable read', 'serializable']) {
        const begin = `set transaction isolation level ${isolation}`
        // The isolation level must come before the bind, which is a query.
        const loot = async (text: string) => await eve.attack([begin, `select set_config('partywall.capability', '${bob}', true)`, text])
        assert.equal((await loot('select * from notes')).code, expected.read, isolation)
        for (const text of writes) assert.equal((await loot(text)).code, expected.write, `${isolation}: ${text}`)
      }
      // Nobody else's gate has moved.
      const carolsEve = await Eve.enter(here, t, { of: here.carol })
      for (const text of ['select * from notes', ...writes.slice(0, 2)])
        assert.equal((await carolsEve.attack([text], carol)).code, undefined)
    })
  }

  test('closed gives no capability, and one that is open again does', async (t) => {
    const here = await stage(t)
    const issue = async () =>
      (
        await here.aliceIn<{ capability: string | null }>(
          here.bob,
          `select capability from partywall.issue(array[$1]::uuid[], '1 minute', 'test')`,
          [here.bob.id],
        )
      )[0]?.capability
    for (const state of ['suspended', 'moved']) {
      await setGate(here, state)
      assert.equal(await issue(), null, state)
    }
    for (const state of ['read_only', 'moving', 'fenced', 'open']) {
      await setGate(here, state)
      assert.ok(await issue(), state)
    }
    await assert.rejects(setGate(here, 'ajar'), { code: '23514' })
  })
})

describe('suspension', () => {
  test('holds from its commit on, although the tenant is cached as active and its capability is at hand', async (t) => {
    const here = await stage(t, { tenantTtlMs: 600_000 })
    const query = () => here.tenancy.query('select * from notes')
    await here.tenancy.run('bob', async (context) => {
      assert.equal((await query()).rowCount, rowsPerTenant)
      await here.aliceInCatalog(`update partywall.tenants set status = 'suspended' where id = $1`, [here.bob.id])
      // Pooled, the gate followed in the same transaction; elsewhere it is the second half of the suspension.
      if (!sharesTables) await setGate(here, 'suspended')
      // The context in hand still says active.
      assert.equal(context.tenant.status, 'active')
      await assert.rejects(query(), { code: 'PW_TENANT_SUSPENDED' })
      await assert.rejects(here.tenancy.query(`insert into notes (title) values ('late')`), { code: 'PW_TENANT_SUSPENDED' })
    })
    await here.aliceInCatalog(`update partywall.tenants set status = 'active' where id = $1`, [here.bob.id])
    if (!sharesTables) await setGate(here, 'open')
    const resumed = async () => await here.tenancy.run('bob', query)
    const deadline = AbortSignal.timeout(5_000)
    for (;;) {
      const result = await resumed().catch((error: { code: string }) => error)
      if ('rowCount' in result) break
      assert.equal(result.code, 'PW_TENANT_SUSPENDED')
      deadline.throwIfAborted()
      await new Promise((resolve) => setImmediate(resolve))
    }
  })

  test('stops an open transaction at its next statement', async (t) => {
    const here = await stage(t)
    await assert.rejects(
      here.tenancy.run('bob', () =>
        here.tenancy.transaction(async (tx) => {
          await tx.query(`update notes set body = 'before'`)
          await setGate(here, 'suspended')
          await tx.query('select * from notes')
        }),
      ),
      { code: 'PW_TENANT_SUSPENDED' },
    )
    assert.deepEqual(await here.alice(`select from notes where body = 'before'`), [])
  })

  test('known limit: a snapshot taken before it is served until the transaction ends, 60 s by default', async (t) => {
    const here = await stage(t)
    await here.tenancy.run('bob', () =>
      here.tenancy.transaction(
        async (tx) => {
          await tx.query('select * from notes')
          await setGate(here, 'suspended')
          assert.equal((await tx.query('select * from notes')).rowCount, rowsPerTenant)
        },
        { isolation: 'repeatable read' },
      ),
    )
    await assert.rejects(
      here.tenancy.run('bob', () => here.tenancy.query('select * from notes')),
      { code: 'PW_TENANT_SUSPENDED' },
    )
  })

  test('known limit: what touches no tenant’s table is not asked about', async (t) => {
    const here = await stage(t, { tenantTtlMs: 600_000 })
    await here.tenancy.run('bob', async () => {
      await here.tenancy.query('select * from notes')
      await setGate(here, 'suspended')
      assert.equal((await here.tenancy.query('select * from countries')).rowCount, 2)
    })
  })
})

describe('while a tenant is moving', () => {
  const gateLocks = `select count(*)::int as count from pg_locks where database = (select oid from pg_database where datname = current_database()) and relation = 'partywall.gates'::regclass and mode = 'RowShareLock'`

  test('a write holds a shared lock on its gate, a read none; and only while it is moving', async (t) => {
    const here = await stage(t)
    const eve = await Eve.enter(here, t)
    const bob = await capabilityOf(here, 'bob')
    const locks = async (state: string, text: string): Promise<number | undefined> => {
      await setGate(here, state)
      await eve.client.query('begin')
      await eve.bind(bob)
      await eve.client.query(text)
      const [row] = await here.aliceIn<{ count: number }>(here.bob, gateLocks)
      await eve.client.query('rollback')
      return row?.count
    }
    for (const text of writes) {
      assert.equal(await locks('moving', text), 1, text)
      assert.equal(await locks('open', text), 0, text)
    }
    assert.equal(await locks('moving', 'select * from notes'), 0)
  })

  test('the mover’s fence waits for writes in flight, and not for reads', async (t) => {
    const here = await stage(t)
    const [writer, reader, mover] = [await Eve.enter(here, t), await Eve.enter(here, t), await Eve.enter(here, t, { login: 'superuser' })]
    const bob = await capabilityOf(here, 'bob')
    await setGate(here, 'moving')
    for (const [eve, text] of [
      [reader, 'select * from notes'],
      [writer, `update notes set body = 'in flight'`],
    ] as const) {
      await eve.client.query('begin')
      await eve.bind(bob)
      await eve.client.query(text)
    }
    await mover.client.query(`set lock_timeout = '200ms'`)
    const fence = () => mover.client.query('select partywall.set_gate($1, $2)', [here.bob.id, 'fenced'])
    await assert.rejects(fence(), { code: '55P03' })
    await writer.client.query('commit')
    await fence()
    await reader.client.query('commit')
    assert.deepEqual(await here.aliceIn(here.bob, `select count(*)::int as count from notes where body = 'in flight'`), [
      { count: rowsPerTenant },
    ])
    assert.equal((await writer.attack([`update notes set body = 'too late'`], bob)).code, 'PW005')
  })

  test('a snapshot from before the fence cannot write past it: it collides, and is to be repeated', async (t) => {
    const here = await stage(t)
    await setGate(here, 'moving')
    await assert.rejects(
      here.tenancy.run('bob', () =>
        here.tenancy.transaction(
          async (tx) => {
            await tx.query('select * from notes')
            await setGate(here, 'fenced')
            await tx.query(`update notes set body = 'past the fence'`)
          },
          { isolation: 'repeatable read' },
        ),
      ),
      { code: 'PW_SERIALIZATION', retryable: true },
    )
    assert.deepEqual(await here.alice(`select from notes where body = 'past the fence'`), [])
  })
})

describe('set_gate() and issue() at the same moment:', () => {
  /** In a database of one's own there is no gatekeeper: issue_own() calls issue() as the owner. */
  const issuer = hasOwnDatabase ? 'migrator' : 'gatekeeper'

  test('a capability that was being issued is closed with the gate, whichever comes first', async (t) => {
    const here = await stage(t)
    const [gatekeeper, eve] = [await Eve.enter(here, t, { login: issuer }), await Eve.enter(here, t)]
    await gatekeeper.client.query('begin')
    const { rows } = await gatekeeper.client.query(`select capability from partywall.issue(array[$1]::uuid[], '1 minute', 'test')`, [
      here.bob.id,
    ])
    const suspended = setGate(here, 'suspended')
    // It waits for the issuer…
    await waitFor(async () => (await waiting(here)) === 1)
    await gatekeeper.client.query('commit')
    await suspended
    // …and then closes what was issued.
    assert.equal((await eve.attack(['select * from notes'], rows[0].capability)).code, 'PW004')
  })

  test('an issuer waits for the gate that is closing, and gets nothing', async (t) => {
    const here = await stage(t)
    const [gatekeeper, closer] = [await Eve.enter(here, t, { login: issuer }), await Eve.enter(here, t, { login: 'superuser' })]
    await closer.client.query('begin')
    await closer.client.query('select partywall.set_gate($1, $2)', [here.bob.id, 'suspended'])
    const issued = gatekeeper.client.query(`select capability, reason from partywall.issue(array[$1]::uuid[], '1 minute', 'test')`, [
      here.bob.id,
    ])
    await waitFor(async () => (await waiting(here)) === 1)
    await closer.client.query('commit')
    assert.deepEqual((await issued).rows, [{ capability: null, reason: 'closed' }])
  })

  async function waiting(here: Stage): Promise<number> {
    const [row] = await here.aliceIn<{ count: number }>(
      here.bob,
      `select count(*)::int as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return row!.count
  }
})

/** Asks again until it is so, for ten seconds. */
async function waitFor(fact: () => Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(10_000)
  while (!(await fact())) {
    deadline.throwIfAborted()
    await new Promise((resolve) => setImmediate(resolve))
  }
}
