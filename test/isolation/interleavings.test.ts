// Whatever the order in which tenants, waits, failures, timeouts and aborts come together over a pool of one and of four: no
// statement ever runs for another tenant, and the pool ends clean. A failure prints its seed; PARTYWALL_SEED replays it.

import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as rest, setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import type { TenantTransaction } from '../../src/postgres/transaction.ts'
import { rowsPerTenant, type Stage, stage } from '../support/cast.ts'
import { hasOwnDatabase } from '../support/isolation.ts'

const seed = Number(process.env['PARTYWALL_SEED'] ?? randomInt(2 ** 31))

type Slug = 'bob' | 'carol'
type Pause = 'none' | 'microtask' | 'turn' | 'timer' | 'nested'
type Step = 'read' | 'write' | 'fail' | 'sleep past its timeout' | 'throw' | 'savepoint' | 'stream' | 'stream a little'

interface Task {
  readonly slug: Slug
  readonly door: 'query' | 'transaction'
  readonly steps: readonly { readonly step: Step; readonly before: Pause }[]
  readonly abortAfter: Pause | undefined
}

const pause = fc.constantFrom<Pause>('none', 'microtask', 'turn', 'timer', 'nested')
const tasks = fc.array(
  fc.record<Task>({
    slug: fc.constantFrom('bob', 'carol'),
    door: fc.constantFrom('query', 'transaction'),
    steps: fc.array(
      fc.record({
        step: fc.oneof(
          { weight: 6, arbitrary: fc.constant<Step>('read') },
          {
            weight: 6,
            arbitrary: fc.constantFrom<Step>('write', 'fail', 'sleep past its timeout', 'throw', 'savepoint', 'stream', 'stream a little'),
          },
        ),
        before: pause,
      }),
      { minLength: 1, maxLength: 4 },
    ),
    abortAfter: fc.option(pause, { nil: undefined, freq: 4 }),
  }),
  { minLength: 2, maxLength: 12 },
)

async function wait(how: Pause): Promise<void> {
  switch (how) {
    case 'none':
      return
    case 'microtask':
      return await Promise.resolve()
    case 'turn':
      return await turn()
    case 'timer':
      return await rest(2)
    case 'nested':
      await Promise.all([Promise.resolve().then(() => turn()), new Promise<void>((resolve) => queueMicrotask(resolve))])
  }
}

class DeliberateFailure extends RangeError {}

interface Seen {
  readonly tenant: string
  readonly title: string
}

const look = 'select partywall.tenant_id()::text as tenant, n.title from notes as n where n.number between 1 and $1'

/** Codes with which a task may end: everything else is a fault. */
const expected = /^(22012|25P02|PW_(ABORTED|STATEMENT_TIMEOUT|TRANSACTION_ABORTED|TRANSACTION_TIMEOUT|CONNECTION_LOST|SERIALIZATION))$/

describe('interleavings', () => {
  for (const size of [1, 4]) {
    describe(`over a pool of ${size}:`, () => {
      let here: Stage
      before(async () => {
        here = await stage(undefined, { pool: { connectionsMax: size } })
      })
      after(() => here.tenancy.close())

      test('no statement ever runs for another tenant, and the pool ends clean', async (t) => {
        t.diagnostic(`seed ${seed}`)
        await fc.assert(
          fc.asyncProperty(tasks, async (all) => {
            await Promise.all(all.map((task) => carryOut(here, task)))
            await assertClean(here, size)
          }),
          { seed, numRuns: 150, endOnFailure: true },
        )
      })
    })
  }
})

async function carryOut(here: Stage, task: Task): Promise<void> {
  const stop = new AbortController()
  const signal = task.abortAfter === undefined ? undefined : stop.signal
  const check = (rows: readonly Seen[]): void => {
    for (const row of rows) {
      assert.equal(row.tenant, here[task.slug].id)
      assert.ok(row.title.startsWith(task.slug), `${task.slug} saw ${row.title}`)
      assert.equal(here.tenancy.current().tenant.slug, task.slug)
    }
  }
  const work = here.tenancy.run(task.slug, async () => {
    if (task.door === 'query') return await steps(here, task, undefined, signal, check)
    return await here.tenancy.transaction((tx) => steps(here, task, tx, undefined, check), { signal, timeoutMs: 20_000 })
  })
  if (task.abortAfter !== undefined) void wait(task.abortAfter).then(() => stop.abort())
  await work.catch((error: { code?: string }) => {
    if (error instanceof DeliberateFailure) return
    if (error instanceof assert.AssertionError || !expected.test(error.code ?? '')) throw error
  })
  assert.equal(here.tenancy.tryCurrent(), undefined)
}

async function steps(
  here: Stage,
  task: Task,
  tx: TenantTransaction | undefined,
  signal: AbortSignal | undefined,
  check: (rows: readonly Seen[]) => void,
): Promise<void> {
  const door = tx ?? here.tenancy
  const read = async (): Promise<void> => {
    const { rows } = await door.query<Seen>(look, [rowsPerTenant], { signal })
    check(rows)
    assert.equal(rows.length, rowsPerTenant)
  }
  for (const { step, before } of task.steps) {
    await wait(before)
    switch (step) {
      case 'read':
        // Two at once; and nothing is left running when one of them fails.
        for (const result of await Promise.allSettled([read(), read()])) if (result.status === 'rejected') throw result.reason
        break
      case 'write':
        assert.equal((await door.query('update notes set body = body where number = 1', [], { signal })).rowCount, 1)
        break
      case 'fail':
        await door.query('select 1 / 0 from notes', [], { signal })
        break
      case 'sleep past its timeout':
        await door.query('select pg_sleep(10) from notes', [], { signal, timeoutMs: 3 })
        break
      case 'throw':
        throw new DeliberateFailure()
      case 'savepoint':
        if (tx === undefined) await read()
        else
          await tx
            .savepoint(() => tx.query('select 1 / 0'))
            .catch((error: { code: string }) => {
              if (error.code !== '22012') throw error
            })
        break
      case 'stream':
      case 'stream a little':
        for await (const row of door.stream<Seen>(look, [rowsPerTenant], { batchSize: 2, signal })) {
          check([row])
          await wait(before)
          if (step === 'stream a little') break
        }
        break
    }
  }
}

/** No slot is held, no connection is lost or in a transaction, nobody's context is left, and both tenants are served. */
async function assertClean(here: Stage, size: number): Promise<void> {
  const { connections, queue } = here.tenancy.stats()
  const sizeOfAll = hasOwnDatabase ? 2 * size : size
  assert.equal(queue.inUse, 0)
  assert.equal(queue.waiting, 0)
  assert.equal(connections.open, connections.idle)
  assert.ok(connections.open <= sizeOfAll, `${connections.open} open`)
  for (const slug of ['bob', 'carol'] as const) {
    const { rows } = await here.tenancy.run(slug, () => here.tenancy.query<Seen>(look, [rowsPerTenant]))
    assert.deepEqual(new Set(rows.map((row) => row.tenant)), new Set([here[slug].id]))
  }
  // A backend outlives the socket of its aborted caller by a moment.
  const deadline = AbortSignal.timeout(10_000)
  const left = async () =>
    await here.alice(
      `select from pg_stat_activity where datname = current_database() and application_name = 'partywall' and state like 'idle in transaction%'`,
    )
  while ((await left()).length > 0) {
    deadline.throwIfAborted()
    await turn()
  }
}
