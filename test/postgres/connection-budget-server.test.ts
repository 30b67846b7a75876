// The budget before a real server, which counts for itself.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { systemClock } from '../../src/core/clock.ts'
import { sharedSchema } from '../../src/core/placement.ts'
import { AbortedError } from '../../src/errors.ts'
import type { Connection } from '../../src/postgres/connection.ts'
import { ConnectionBudget } from '../../src/postgres/connection-budget.ts'
import { ownStep } from '../../src/postgres/flush.ts'
import { ConnectionPool, type ConnectionPoolOptions } from '../../src/postgres/pool.ts'
import { toWireValues } from '../../src/postgres/wire.ts'
import { testDatabase } from '../support/database.ts'
import { TcpProxy } from '../support/proxy.ts'

const clock = systemClock

function run(connection: Connection, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.send(
      (writer) => {
        writer.bind('', connection.prepare(writer, text, sharedSchema).name, toWireValues([]))
        writer.executeAndSync()
        return [ownStep]
      },
      (error) => (error === undefined ? resolve() : reject(error)),
    )
  })
}

async function use(pool: ConnectionPool, text = 'select 1'): Promise<void> {
  const connection = pool.takeIdle() ?? (await pool.take())
  try {
    await run(connection, text)
  } finally {
    pool.give(connection)
  }
}

function budgetOf(t: TestContext, connectionsMax: number) {
  const budget = new ConnectionBudget({ connectionsMax, clock })
  const pools: ConnectionPool[] = []
  t.after(() => {
    for (const each of pools) each.close()
  })
  const pool = (connectionString: string | undefined, options: Partial<ConnectionPoolOptions> = {}) => {
    const made = new ConnectionPool({ connectionString, budget, clock, ...options })
    pools.push(made)
    return made
  }
  return { budget, pool }
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** A port at which nobody listens, or somebody who never says a word. */
async function portOf(t: TestContext, kind: 'closed' | 'silent'): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const stop = () => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  }
  if (kind === 'closed') await stop()
  else t.after(stop)
  return port
}

test('sixty pools touched at random on eight connections: no error, and the server never counts a ninth', async (t) => {
  const database = await testDatabase(t)
  // The server itself refuses a ninth connection beside the one that counts.
  await database.superuser.query(`alter database ${database.name} connection limit 9`)
  const { budget, pool } = budgetOf(t, 8)
  const pools = Array.from({ length: 60 }, () => pool(database.urls.app))
  const order = fc.sample(fc.nat(59), 300)
  let seenMax = 0
  let isOver = false
  const count = async () => {
    while (!isOver) {
      const [row] = await database.superuser.query<{ open: string }>(
        `select count(*) as open from pg_catalog.pg_stat_activity where datname = current_database() and usename = 'partywall_app'`,
      )
      seenMax = Math.max(seenMax, Number(row!.open))
    }
  }
  const counting = count()
  const work = async () => {
    for (let next = order.pop(); next !== undefined; next = order.pop()) {
      const its = pools[next]!
      if (order.length % 10 !== 0) await use(its)
      else {
        // Some are cut in mid-flight: their sessions are still the server's for a while.
        const connection = await its.take()
        const cut = run(connection, 'select pg_sleep(60)').catch((error: unknown) => error)
        await connection.cancelAndDestroy(new AbortedError('cut'))
        its.give(connection)
        assert.ok((await cut) instanceof AbortedError)
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: 24 }, work))
  } finally {
    isOver = true
    await counting
  }
  assert.ok(seenMax > 4 && seenMax <= 8, `${seenMax} connections`)
  assert.equal(budget.stats().waiting, 0)
  for (const each of pools) each.close()
  while (budget.stats().inUse > 0) await nextTurn()
})

for (const kind of ['closed', 'silent'] as const) {
  test(`a server that is ${kind} harms nobody else, and is back when it answers`, async (t) => {
    const database = await testDatabase(t)
    const { budget, pool } = budgetOf(t, 6)
    const good = [pool(database.urls.app), pool(database.urls.app)]
    await Promise.all(good.map((each) => use(each)))
    const port = await portOf(t, kind)
    const elsewhere = new URL(database.urls.app)
    elsewhere.hostname = '127.0.0.1'
    elsewhere.port = String(port)
    const dead = Array.from({ length: 20 }, () => pool(elsewhere.href, { connectTimeoutMs: 400 }))
    let told = 0
    const lost = dead.map((each) =>
      use(each).then(
        () => assert.fail('nobody is there'),
        (error: { code: string }) => {
          assert.equal(error.code, 'PW_DATABASE_UNAVAILABLE')
          told += 1
        },
      ),
    )
    // The others are served all the while, on the connections that they had.
    const before = good.map((each) => each.takeIdle())
    for (const [index, connection] of before.entries()) good[index]!.give(connection!)
    for (let round = 0; round < 50 || told < dead.length; round += 1) {
      for (const [index, each] of good.entries()) {
        const connection = each.takeIdle()
        assert.equal(connection, before[index])
        await run(connection!, 'select 1')
        each.give(connection!)
      }
    }
    await Promise.all(lost)
    const startedAt = clock.monotonic()
    await assert.rejects(use(dead[0]!), { code: 'PW_DATABASE_UNAVAILABLE' })
    assert.ok(clock.monotonic() - startedAt < 100, 'known to be down: told at once')
    assert.equal(budget.stats().inUse, 2)
    if (kind === 'silent') return
    // It comes up: what listens there now is a way to the real one.
    const target = new URL(database.urls.app)
    const door = createServer((near) => {
      const far = connect(Number(target.port), target.hostname)
      near.pipe(far).pipe(near)
      for (const socket of [near, far]) socket.on('error', () => {})
      near.on('close', () => far.destroy())
    })
    await new Promise<void>((resolve) => door.listen(port, '127.0.0.1', resolve))
    t.after(() => new Promise((resolve) => door.close(resolve)))
    while ((await use(dead[1]!).catch((error: { code: string }) => error.code)) === 'PW_DATABASE_UNAVAILABLE') await nextTurn()
    await use(dead[2]!)
    dead[1]!.close()
    dead[2]!.close()
  })
}

test('a rotated password is asked for again, once, and the connections that are open live on', async (t) => {
  const database = await testDatabase(t)
  const login = `test_${randomBytes(6).toString('hex')}`
  await database.superuser.query(`create role ${login} login password 'first'`)
  await database.superuser.query(`grant connect on database ${database.name} to ${login}`)
  t.after(async () => {
    await database.superuser.query(`revoke connect on database ${database.name} from ${login}`)
    await database.superuser.query(`drop role ${login}`)
  })
  const url = (password: string) => Object.assign(new URL(database.urls.app), { username: login, password }).href
  let password = 'first'
  const asked: boolean[] = []
  const { budget, pool } = budgetOf(t, 4)
  const rotated = pool(undefined, {
    credentials: async ({ refresh }) => {
      asked.push(refresh)
      return { connectionString: url(password) }
    },
  })
  const old = await rotated.take()
  await database.superuser.query(`alter role ${login} password 'second'`)
  password = 'second'
  const [one, two] = await Promise.all([rotated.take(), rotated.take()])
  assert.deepEqual(asked, [false, true])
  for (const connection of [old, one, two]) await run(connection, 'select 1')
  await database.superuser.query(`alter role ${login} password 'third'`)
  // The secret store does not know yet: the caller is told, and the store is not asked by each caller.
  for (let call = 0; call < 5; call += 1) await assert.rejects(rotated.take(), { code: 'PW_DATABASE_UNAVAILABLE' })
  assert.deepEqual(asked, [false, true, true])
  assert.equal(budget.stats().inUse, 3)
  rotated.give(old)
  await use(rotated)
  for (const connection of [one, two]) rotated.give(connection)
  rotated.close()
  while (budget.stats().inUse > 0) await nextTurn()
})

test('connections that the server ends, and sockets that are cut, give their permits back', async (t) => {
  const database = await testDatabase(t)
  const wire = await TcpProxy.start(t, database.urls.app)
  const { budget, pool } = budgetOf(t, 3)
  const [direct, wired] = [pool(database.urls.app), pool(wire.url)]
  for (let round = 0; round < 3; round += 1) {
    const held = await direct.take()
    await use(direct)
    await use(wired)
    assert.equal(budget.stats().inUse, 3)
    await database.superuser.query(
      `select pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where datname = current_database() and usename = 'partywall_app'`,
    )
    wire.cut()
    while (budget.stats().inUse > 0) await nextTurn()
    direct.give(held)
    assert.deepEqual([direct.size, wired.size, budget.stats().inUse], [0, 0, 0])
  }
})

test('a server that is frozen gives its permit back after a bound', async (t) => {
  const database = await testDatabase(t)
  const wire = await TcpProxy.start(t, database.urls.app)
  const { budget, pool } = budgetOf(t, 1)
  const [frozen, other] = [pool(wire.url), pool(database.urls.app)]
  await use(frozen)
  wire.freeze()
  await use(other)
  assert.deepEqual([frozen.size, other.size, budget.stats().inUse], [0, 1, 1])
})

test('a cancel that overtakes its statement is repeated: no session outlives its permit', async (t) => {
  const database = await testDatabase(t)
  const wire = await TcpProxy.start(t, database.urls.app)
  const { budget, pool } = budgetOf(t, 1)
  const wired = pool(wire.url)
  const connection = await wired.take()
  wire.freeze()
  const cut = run(connection, 'select pg_sleep(60)').catch((error: unknown) => error)
  void connection.cancelAndDestroy(new AbortedError('cut'))
  while (wire.open < 2) await nextTurn()
  while (wire.open > 1) await nextTurn()
  wire.thaw()
  wired.give(connection)
  assert.ok((await cut) instanceof AbortedError)
  while (budget.stats().inUse > 0) await nextTurn()
  const open = await database.superuser.query(
    `select from pg_catalog.pg_stat_activity where datname = current_database() and usename = 'partywall_app'`,
  )
  assert.equal(open.length, 0)
})
