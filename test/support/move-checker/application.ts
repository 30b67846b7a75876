// A process of the application: it writes and reads the tenants that it is given, until it is told to stop, or killed. What it is told
// by the library is its history.

import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { TenancyError } from '../../../src/errors.ts'
import { fileSecrets } from '../../../src/secrets/file.ts'
import { createTenancy } from '../../../src/tenancy.ts'
import { type Begun, HistoryWriter, type Kind, type Outcome } from './history.ts'
import { Random } from './random.ts'

export interface ApplicationTask {
  readonly urls: { readonly gatekeeper: string; readonly app: string }
  readonly secrets: string
  readonly history: string
  readonly name: string
  /** How many write each of them at a time. */
  readonly tenants: readonly { readonly slug: string; readonly writers: number }[]
  readonly seed: number
  /** Between two operations of a writer, on average. */
  readonly pauseMs: number
}

const task = JSON.parse(process.argv[2]!) as ApplicationTask
const history = new HistoryWriter(task.history)
const tenancy = await createTenancy({
  catalog: task.urls.gatekeeper,
  database: task.urls.app,
  secrets: fileSecrets({ directory: task.secrets }),
  plans: { free: {} },
})
const random = new Random(task.seed)
const kinds: readonly Kind[] = ['insert', 'insert', 'increment', 'update', 'update', 'family', 'read', 'read']
let isStopped = false
process.on('message', () => {
  isStopped = true
})
// Whoever started it has died.
process.on('disconnect', () => process.exit())
const loops = task.tenants.flatMap(({ slug, writers }) =>
  Array.from({ length: writers }, (_, id) => work(slug, `${task.name}.${slug}.${id}`)),
)
process.send?.('ready')
await Promise.all(loops)
await tenancy.close()
history.close()
process.disconnect?.()

/** One after another, as a client would. A writer whose write is unknown goes on under another name: it may take effect later. */
async function work(tenant: string, name: string): Promise<void> {
  let [writer, generation] = [`${name}.0`, 0]
  let isRegistered = false
  for (let seq = 1; !isStopped; seq += 1) {
    const kind: Kind = isRegistered ? random.pick(kinds) : 'update'
    const begun: Begun = { id: randomUUID(), tenant, kind, writer, seq, size: kind === 'family' ? random.between(1, 3) : undefined }
    history.begin(begun)
    let outcome: Outcome = 'acknowledged'
    try {
      const seen = await tenancy.run(tenant, async () => await perform(begun))
      history.end(begun.id, outcome, seen === undefined ? {} : { seen })
      isRegistered ||= kind === 'update'
    } catch (error) {
      outcome = outcomeOf(error)
      history.end(begun.id, outcome, { error: String((error as Error).message).slice(0, 300) })
      if (outcome === 'unknown') {
        generation += 1
        writer = `${name}.${generation}`
        isRegistered = false
      }
      await wait(random.between(1, 20))
    }
    await wait(random.between(0, 2 * task.pauseMs))
  }
}

/** An error that may be tried again says that nothing has happened; so does the database's own. All others may lie. */
function outcomeOf(error: unknown): Outcome {
  if (error instanceof TenancyError) return error.retryable ? 'failed' : 'unknown'
  return /^[0-9A-Z]{5}$/.test(String((error as { readonly code?: unknown }).code)) ? 'failed' : 'unknown'
}

async function perform({ kind, writer, seq, size }: Begun): Promise<Readonly<Record<string, number>> | undefined> {
  switch (kind) {
    case 'insert':
      await insert(writer, seq)
      return undefined
    case 'increment':
      await tenancy.pool().query(`update counters set value = value + 1 where name = 'all'`)
      return undefined
    case 'update':
      await tenancy
        .pool()
        .query(
          `insert into registers (writer, value) values ($1, $2) on conflict on constraint registers_pkey do update set value = excluded.value`,
          [writer, seq],
        )
      return undefined
    case 'family':
      await family(writer, seq, size ?? 1)
      return undefined
    case 'read': {
      const { rows } = await tenancy
        .pool()
        .query(`select writer as name, value from registers union all select 'counter ' || name, value from counters`)
      return Object.fromEntries((rows as { name: string; value: number }[]).map(({ name, value }) => [name, value]))
    }
  }
}

/** As a statement, as a transaction that reads first in a repeatable snapshot, or as one that is held open for long. */
async function insert(writer: string, seq: number): Promise<void> {
  const text = 'insert into entries (writer, seq) values ($1, $2)'
  if (random.chance(0.6)) {
    await tenancy.pool().query(text, [writer, seq])
  } else if (random.chance(0.5)) {
    await tenancy.transaction(
      async (tx) => {
        await tx.query('select count(*) from entries where writer = $1', [writer])
        await wait(random.between(0, 40))
        await tx.query(text, [writer, seq])
        await wait(random.between(0, 10))
      },
      { isolation: 'repeatable read' },
    )
  } else {
    await tenancy.transaction(async (tx) => {
      await tx.query(text, [writer, seq])
      await wait(random.chance(0.1) ? random.between(300, 900) : random.between(0, 60))
      await tx.query('select 1')
    })
  }
}

async function family(writer: string, seq: number, size: number): Promise<void> {
  await tenancy.transaction(async (tx) => {
    const { rows } = await tx.query<{ id: string }>('insert into parents (writer, seq) values ($1, $2) returning id', [writer, seq])
    for (let child = 0; child < size; child += 1) {
      await tx.query('insert into children (parent_id) values ($1)', [rows[0]!.id])
      await wait(random.between(0, 5))
    }
    await tx.query(`update counters set value = value + 1 where name = 'families'`)
  })
}
