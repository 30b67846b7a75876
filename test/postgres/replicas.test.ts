// Reading from a real streaming replica: from where, how old, and who is refused there.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  BreakGlassRefusedError,
  ConfigurationError,
  ServerRefusedError,
  StatementRefusedError,
  TenantSuspendedError,
} from '../../src/errors.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { ReplicaDatabases } from '../../src/postgres/replicas.ts'
import { Servers } from '../../src/postgres/servers.ts'
import type { Tenancy } from '../../src/tenancy.ts'
import { emergencyOn } from '../support/break-glass.ts'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { MemorySecrets } from '../support/fleet-server.ts'
import { type TestReplica, testReplica } from '../support/replica.ts'
import { testServer } from '../support/server.ts'

/** Bounds that let a test see within a second what takes ten otherwise. */
const bounds = { ageMsMax: 600, lookEveryMs: 100, asideMs: 50 }

let play: Stage
let replica: TestReplica
let tenancy: Tenancy

/** Whether the tenant's reads come from the replica now. */
async function readsReplica(slug: string): Promise<boolean> {
  const { rows } = await tenancy.run(slug, () =>
    tenancy.replica().query<{ is: boolean }>('select pg_is_in_recovery() as is, (select count(*) from notes) as notes'),
  )
  return rows[0]!.is
}

/** The replica replays no more, and the primary goes on: a replica of a primary that writes nothing is never behind. */
async function standStill(): Promise<void> {
  await replica.control.query('select pg_wal_replay_pause()')
  await play.alice(`select pg_logical_emit_message(true, 'test', 'written after the pause')`)
}

/** Until the tenant's reads come from there: the fact itself is asked, again and again. */
async function untilReads(slug: string, fromReplica: boolean): Promise<void> {
  while ((await readsReplica(slug)) !== fromReplica);
}

const titles = (slug: string): Promise<readonly { title: string; replica: boolean }[]> =>
  tenancy.run(
    slug,
    async () =>
      (await tenancy.replica().query<{ title: string; replica: boolean }>('select title, pg_is_in_recovery() as replica from notes')).rows,
  )

describe('tenancy.replica()', () => {
  before(async () => {
    play = await stage(undefined, { replicas: bounds })
    tenancy = play.tenancy
    replica = await testReplica()
    const open = (connectionString: string) => new ControlPool({ connectionString, applicationName: 'test' })
    const [reader, writer] = [open(play.database.urls.gatekeeper), open(play.database.urls.migrator)]
    const servers = new Servers({ reader, writer, secrets: new MemorySecrets() })
    await servers.adoptMain({ adminUrl: (await testServer()).superuserUrl })
    await servers.addReplica({ server: 'main', name: 'near', host: replica.host, port: replica.port })
    const itself = { server: 'main', name: 'itself', host: replica.host, port: Number(new URL(play.database.urls.app).port) }
    await assert.rejects(servers.addReplica(itself), ServerRefusedError)
    assert.deepEqual(
      (await servers.listReplicas('main')).map(({ name, region }) => [name, region]),
      [['near', 'default']],
    )
    await reader.close()
    await writer.close()
  })
  after(async () => {
    await tenancy.close()
    await replica.close()
  })

  describe('on a replica', () => {
    test('a tenant reads its own rows, and carol’s are not among them', async () => {
      await untilReads('bob', true)
      const rows = await titles('bob')
      assert.ok(rows.every((row) => row.replica))
      assert.equal(rows.length, rowsPerTenant)
      assert.ok(rows.every(({ title }) => title.startsWith('bob')))
    })

    test('the wall stands without a capability, and with one that was made up', async () => {
      await replica.caughtUp()
      const app = new URL(play.database.urls.app)
      app.port = String(replica.port)
      const eve = new ControlPool({ connectionString: app.href, applicationName: 'eve' })
      try {
        await assert.rejects(eve.query('select title from app.notes'), { code: 'PW001' })
        await assert.rejects(
          eve.transaction(async (connection) => {
            await connection.query(`select set_config('partywall.capability', gen_random_uuid()::text, true)`)
            return await connection.query('select title from app.notes')
          }),
          { code: 'PW002' },
        )
        await assert.rejects(eve.query('select capability from partywall.capabilities'), { code: '42501' })
      } finally {
        await eve.close()
      }
    })

    test('what writes is refused by the database itself', async () => {
      await untilReads('bob', true)
      await assert.rejects(
        tenancy.run('bob', () => tenancy.replica().query(`insert into notes (title) values ('written')`)),
        { code: '25006' },
      )
    })

    test('a transaction and a stream read one after another what is there', async () => {
      await untilReads('bob', true)
      await tenancy.run('bob', async () => {
        const counted = await tenancy.replica().transaction(async (tx) => {
          const { rows } = await tx.query<{ is: boolean }>('select pg_is_in_recovery() as is')
          assert.ok(rows[0]!.is)
          await assert.rejects(
            tx.savepoint((inner) => inner.query(`insert into notes (title) values ('written')`)),
            { code: '25006' },
          )
          return (await tx.query('select id from notes')).rows.length
        })
        assert.equal(counted, rowsPerTenant)
        let streamed = 0
        for await (const _row of tenancy.replica().stream('select id from notes', [], { batchSize: 2 })) streamed += 1
        assert.equal(streamed, rowsPerTenant)
      })
    })

    test('a transaction longer than a capability lives gets one of its own, from the primary if the replica has not heard of it', async () => {
      await untilReads('bob', true)
      const count = await tenancy.run('bob', () =>
        tenancy.replica().transaction(async (tx) => (await tx.query('select id from notes')).rows.length, { timeoutMs: 900_000 }),
      )
      assert.equal(count, rowsPerTenant)
    })
  })

  test('staff who are let in by a grant read where its end is known at once: never from a replica', async (t) => {
    const set = await emergencyOn(play, t, { replicas: bounds })
    const { id } = await set.granted()
    const look = () =>
      set.tenancy.replica().query<{ is: boolean }>('select pg_is_in_recovery() as is, (select count(*) from notes) as notes')
    while (!(await set.tenancy.run('bob', look)).rows[0]!.is);
    const refusal = await set.tenancy.breakGlass(id, set.ada, async () => {
      for (;;) {
        // While no replica is near enough the primary answers, and that is allowed.
        const seen = await look().catch((error: unknown) => error)
        if (seen instanceof Error) return seen
        assert.equal((seen as Awaited<ReturnType<typeof look>>).rows[0]!.is, false)
      }
    })
    assert.ok(refusal instanceof BreakGlassRefusedError)
    assert.match(refusal.message, /no replica of it/)
  })

  describe('where no replica is near enough, the primary stands in:', () => {
    test('while the replica stands still, and until it has caught up', async () => {
      await untilReads('bob', true)
      await standStill()
      await untilReads('bob', false)
      await play.alice(`insert into app.notes (tenant_id, title) values ($1, 'after the pause')`, [play.bob.id])
      assert.ok((await titles('bob')).some(({ title }) => title === 'after the pause'))
      await replica.control.query('select pg_wal_replay_resume()')
      await untilReads('bob', true)
      await play.alice(`delete from app.notes where title = 'after the pause'`)
    })

    test('and it writes no more than a replica would', async () => {
      await standStill()
      try {
        await untilReads('bob', false)
        const write = `insert into notes (title) values ('written')`
        await tenancy.run('bob', async () => {
          const reader = tenancy.replica()
          await assert.rejects(reader.query(write), { code: '25006' })
          await assert.rejects(reader.query(write, [], { timeoutMs: 5_000 }), { code: '25006' })
          await assert.rejects(
            reader.transaction((tx) => tx.query(write)),
            { code: '25006' },
          )
          await assert.rejects(
            reader.transaction(async (tx) => {
              await tx.query('select 1')
              await tx.query('set transaction read write')
            }),
            (error: { code?: string }) => error.code === '25001' || error.code === 'PW_STATEMENT_REFUSED',
          )
          await assert.rejects(reader.query(`select set_config('transaction_read_only', 'off', true)`), StatementRefusedError)
        })
        const [count] = await play.alice<{ count: number }>(`select count(*)::int as count from app.notes where title = 'written'`)
        assert.equal(count!.count, 0)
      } finally {
        await replica.control.query('select pg_wal_replay_resume()')
      }
    })

    test('for a tenant whose capability the replica has not heard of, at the first refusal and without an error', async () => {
      await untilReads('bob', true)
      await standStill()
      try {
        // Carol's is issued after the pause: within the bound of age, the replica is still asked, and refuses.
        const rows = await titles('carol')
        assert.equal(rows.length, rowsPerTenant)
        assert.ok(rows.every(({ replica: is, title }) => !is && title.startsWith('carol')))
      } finally {
        await replica.control.query('select pg_wal_replay_resume()')
      }
      await untilReads('carol', true)
    })

    test('when the replica is killed: no call fails, and it is used again when it is back', async () => {
      await untilReads('bob', true)
      const reads = Array.from({ length: 20 }, () => titles('bob'))
      await replica.kill()
      for (const rows of await Promise.all(reads)) assert.equal(rows.length, rowsPerTenant)
      assert.equal((await titles('bob')).length, rowsPerTenant)
      assert.equal(await readsReplica('bob'), false)
      const inTransaction = await tenancy.run('bob', () =>
        tenancy.replica().transaction(async (tx) => (await tx.query('select id from notes')).rows.length),
      )
      assert.equal(inTransaction, rowsPerTenant)
      await replica.start()
      await untilReads('bob', true)
    })
  })

  describe('a tenant that is suspended', () => {
    test('is refused at once, though the replica has not heard of it', async () => {
      await untilReads('carol', true)
      const context = await tenancy.run('carol', () => tenancy.current())
      await standStill()
      try {
        await tenancy.tenants.suspend('carol', { reason: 'To see who knows.' })
        const reader = await tenancy.scope.run(context, () => tenancy.replica())
        await assert.rejects(
          tenancy.scope.run(context, () => reader.query('select title from notes')),
          TenantSuspendedError,
        )
      } finally {
        await replica.control.query('select pg_wal_replay_resume()')
      }
    })

    test('is refused by the replica itself once that has replayed it, whatever the catalog says', async () => {
      await tenancy.tenants.resume('carol', { reason: 'Seen.' })
      await untilReads('carol', true)
      // The gate alone: no row of the catalog changes, so that no cache hears of it.
      await play.alice(`select partywall.set_gate($1, 'suspended')`, [play.carol.id])
      await replica.caughtUp()
      await assert.rejects(titles('carol'), TenantSuspendedError)
      await play.alice(`select partywall.set_gate($1, 'open')`, [play.carol.id])
    })
  })

  test('bounds that contradict each other are refused', () => {
    assert.throws(() => new ReplicaDatabases({ ageMsMax: 100, lookEveryMs: 100 } as never), ConfigurationError)
  })
})
