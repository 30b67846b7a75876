// What publishing in a transaction costs over a bare insert of a row as long in the same transaction; and events a second, from a full outbox
// to the last one's effect.

import { eventSubscriber, fixedSealKeys, on, type StandardSchema, tenantEvent } from '../src/index.ts'
import { createTenancy, type Tenancy } from '../src/tenancy.ts'
import type { BenchDatabase } from './database.ts'
import { quantile, quartiles } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'

const tenantsAtWork = 20
const eventsPerTenant = 200
const transactions = 300
const clients = 10
const roundsMax = 5

const anything: StandardSchema = { '~standard': { version: 1, vendor: 'bench', validate: (value) => ({ value }) } }
const happened = tenantEvent('bench.happened', anything)

export async function events({ site, superuser }: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  await superuser.query(`
    set role partywall_owner;
    set search_path = app;
    select partywall.create_events();
    create table plain_events (like outbox_events including all);
    select partywall.protect('plain_events');
    reset role;
    reset search_path`)
  const keys = fixedSealKeys([{ id: 'bench', secret: crypto.getRandomValues(new Uint8Array(32)) }])
  const tenancy = await createTenancy({ catalog: site.urls.gatekeeper, database: site.urls.app, events: { source: 'bench', keys } })
  try {
    const tenantIds = site.tenantIds.slice(0, tenantsAtWork)
    const ratios: number[] = []
    const rates: number[] = []
    const loneRates: number[] = []
    const overBare: number[] = []
    for (let round = 0; round < Math.min(options.rounds, roundsMax); round++) {
      const bare = await secondsOf(tenancy, tenantIds, insertsBare)
      ratios.push((await secondsOf(tenancy, tenantIds, publishes)) / bare)
      await superuser.query('truncate app.outbox_events, app.plain_events')
      const bareRate = await rateBare(tenancy, tenantIds, tenantsAtWork * eventsPerTenant)
      const eventRate = await rate(tenancy, tenantIds, eventsPerTenant)
      rates.push(eventRate)
      overBare.push(eventRate / bareRate)
      loneRates.push(await rate(tenancy, tenantIds.slice(0, 1), tenantsAtWork * eventsPerTenant))
    }
    return {
      benchmark: 'events',
      ratios: {
        'publish-in-transaction/bare-insert': quartiles(ratios),
        'consumer/bare-transactions-of-two-inserts': quartiles(overBare),
      },
      figures: { 'events/s of 20 tenants': quantile(rates, 0.5), 'events/s of one tenant': quantile(loneRates, 0.5) },
      notes: ['each event has a subject of its own and an effect of one row, in a transaction of its own'],
    }
  } finally {
    await tenancy.close()
  }
}

const insertText = 'insert into plain_events (tenant_id, id, type, envelope) values ($1, $2, $3, $4)'

async function insertsBare(tenancy: Tenancy, tenantId: string): Promise<void> {
  const data = 'x'.repeat(500)
  await tenancy.transaction(async (tx) => {
    await tx.query('select 1')
    await tx.query(insertText, [tenantId, crypto.randomUUID(), 't', data])
  })
}

async function publishes(tenancy: Tenancy): Promise<void> {
  await tenancy.transaction(async (tx) => {
    await tx.query('select 1')
    await tenancy.events().publish(happened, { id: 1 }, { tx, subject: 'd' })
  })
}

/** Transactions of four clients, each of a tenant of its own. */
async function secondsOf(
  tenancy: Tenancy,
  tenantIds: readonly string[],
  work: (tenancy: Tenancy, tenantId: string) => Promise<void>,
): Promise<number> {
  const startedAt = performance.now()
  await Promise.all(
    tenantIds.slice(0, 4).map((id) =>
      tenancy.run(id, async () => {
        for (let i = 0; i < transactions; i++) await work(tenancy, id)
      }),
    ),
  )
  return (performance.now() - startedAt) / 1_000
}

/** What a consumer could do at most: transactions that write two rows, as many at once. */
async function rateBare(tenancy: Tenancy, tenantIds: readonly string[], count: number): Promise<number> {
  const startedAt = performance.now()
  let left = count
  const client = async (_: unknown, index: number): Promise<void> => {
    while (left-- > 0) {
      const id = tenantIds[(left + index) % tenantIds.length] as string
      await tenancy.run(id, () =>
        tenancy.transaction(async (tx) => {
          for (const type of ['receipt', 'effect']) await tx.query(insertText, [id, crypto.randomUUID(), type, 'x'])
        }),
      )
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return count / ((performance.now() - startedAt) / 1_000)
}

/** Events that write a row each, published beforehand, from the start of a consumer to the last. */
async function rate(tenancy: Tenancy, tenantIds: readonly string[], count: number): Promise<number> {
  let left = tenantIds.length * count
  const total = left
  const all = Promise.withResolvers<void>()
  const subscriber = eventSubscriber('bench', [
    on(happened, async (_event, { tx, context }) => {
      await tx.query(insertText, [context.tenant.id, crypto.randomUUID(), 't', 'effect'])
      left -= 1
      if (left === 0) all.resolve()
    }),
  ])
  for (const id of tenantIds) {
    await tenancy.run(id, async () => {
      for (let made = 0; made < count; made += eventsPerTenant) {
        await Promise.all(
          Array.from({ length: eventsPerTenant }, (_, i) => tenancy.events().publish(happened, i, { subject: `d-${made + i}` })),
        )
      }
    })
  }
  const startedAt = performance.now()
  const consumer = tenancy.startConsumer({ subscribers: [subscriber], concurrency: clients, tenantConcurrency: clients })
  await all.promise
  const seconds = (performance.now() - startedAt) / 1_000
  await consumer.close()
  return total / seconds
}
