// Events, with their outbox where this run's tenants live.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import type { Actor } from '../../src/core/actor.ts'
import { sealEnvelope } from '../../src/core/envelope.ts'
import { fixedSealKeys } from '../../src/core/seal-keys.ts'
import type { Tenant } from '../../src/core/tenant.ts'
import { createTenantContext } from '../../src/core/tenant-context.ts'
import {
  ConfigurationError,
  type EnvelopeRefusedError,
  EventNotFoundError,
  InvalidInputError,
  NoTenantError,
  WrongTenantError,
} from '../../src/errors.ts'
import { PostgresEventStores } from '../../src/postgres/event-store.ts'
import type { EventConsumer, EventConsumerOptions, EventFailure } from '../../src/resources/events/event-consumer.ts'
import { EventRun } from '../../src/resources/events/event-run.ts'
import {
  type EventDelivery,
  type EventSubscriberOptions,
  eventSubscriber,
  on,
  type ReceivedEvent,
} from '../../src/resources/events/event-subscriber.ts'
import { tenantEvent } from '../../src/resources/events/tenant-event.ts'
import type { TenantEvents } from '../../src/resources/events/tenant-events.ts'
import { createTenancy } from '../../src/tenancy.ts'
import { type Stage, stage } from '../support/cast.ts'
import { anything, schemaOf } from '../support/schemas.ts'

let scene: Stage
const consumers: EventConsumer[] = []
const failures: (EventFailure & { readonly error: unknown })[] = []
const keys = fixedSealKeys([{ id: 'k-1', secret: Buffer.alloc(32, 1) }])
const created = tenantEvent('document.created', anything<string>())

const as = async <T>(tenant: Pick<Tenant, 'id'>, fn: (events: TenantEvents) => Promise<T>, actor?: Actor): Promise<T> =>
  await scene.tenancy.run(tenant.id, () => fn(scene.tenancy.events()), { actor })

function consume(options: EventConsumerOptions): EventConsumer {
  const consumer = scene.tenancy.startConsumer({
    pollMs: 20,
    onError: (error, failure) => failures.push({ error, ...failure }),
    ...options,
  })
  consumers.push(consumer)
  return consumer
}

interface Seen {
  readonly data: string
  readonly slug: string
  readonly event: ReceivedEvent<string>
  readonly delivery: EventDelivery
}

/** A subscriber whose events are seen. */
function seen(name: string, does: (data: string, delivery: EventDelivery) => unknown = () => {}, options: EventSubscriberOptions = {}) {
  const runs: Seen[] = []
  const reaction = on(created, async (event, delivery) => {
    runs.push({ data: event.data, slug: scene.tenancy.current().tenant.slug, event, delivery })
    await does(event.data, delivery)
  })
  return { subscriber: eventSubscriber(name, [reaction], options), runs }
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'not within twenty seconds')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const pause = async (ms: number): Promise<void> => await new Promise((resolve) => setTimeout(resolve, ms))
const outbox = async (): Promise<readonly { readonly id: string; readonly type: string }[]> =>
  await scene.alice<{ id: string; type: string }>('select id, type from outbox_events order by seq')
const tables = ['outbox_events', 'event_subscribers', 'inbox_events', 'event_deliveries']
/** Writes a note in the delivery's transaction: the effect that is counted. */
const effect = async ({ tx, context, attempt }: EventDelivery, what: string): Promise<void> =>
  void (await tx.query('insert into notes (tenant_id, title) values ($1, $2)', [context.tenant.id, `effect ${what} ${attempt}`]))
const effects = async (tenant: Tenant): Promise<readonly string[]> =>
  (await scene.aliceIn<{ title: string }>(tenant, `delete from notes where title like 'effect %' returning title`)).map(
    ({ title }) => title,
  )

describe('where a tenant lives', () => {
  before(async () => {
    scene = await stage(undefined, { events: { source: 'https://app.example.com', keys } })
  })

  after(async () => {
    await scene.tenancy.close()
  })

  test('where there are no tables of events, what makes them is told; and nothing is published without a key', async (t) => {
    await assert.rejects(
      as(scene.bob, (events) => events.publish(created, 'early')),
      ConfigurationError,
    )
    await scene.migrate('select partywall.create_events()')
    const keyless = await createTenancy(scene.access)
    t.after(() => keyless.close())
    await keyless.run(scene.bob.id, () => assert.rejects(keyless.events().publish(created, 'x'), ConfigurationError))
    assert.throws(() => keyless.startConsumer({ subscribers: [seen('keyless').subscriber] }), ConfigurationError)
  })

  describe('events of tenants', () => {
    afterEach(async () => {
      await Promise.all(consumers.splice(0).map((consumer) => consumer.close()))
      for (const table of tables) await scene.alice(`delete from ${table}`)
      failures.splice(0)
    })

    test('there are none without a tenant', () => {
      assert.throws(() => scene.tenancy.events(), NoTenantError)
    })

    test('an event arrives in the scope of the tenant that published it, on behalf of whoever did', async () => {
      const titles: string[] = []
      const { subscriber, runs } = seen('reader', async () => {
        const { rows } = await scene.tenancy.query<{ title: string }>('select title from notes order by number limit 1')
        titles.push(rows[0]!.title)
      })
      const actor: Actor = { kind: 'user', id: 'u-7' }
      const requestId = await as(
        scene.bob,
        async (events) => {
          await events.publish(created, 'of bob', { subject: 'd-1' })
          return scene.tenancy.current().requestId
        },
        actor,
      )
      await as(scene.carol, (events) => events.publish(created, 'of carol'))
      consume({ subscribers: [subscriber] })
      await until(() => titles.length === 2)
      assert.deepEqual(titles.toSorted(), ["bob's note 1", "carol's note 1"])
      const bobs = runs.find(({ slug }) => slug === 'bob')!
      assert.equal(bobs.data, 'of bob')
      assert.deepEqual([bobs.event.subject, bobs.event.source], ['d-1', 'https://app.example.com'])
      assert.deepEqual(bobs.delivery.context.actor, actor)
      assert.equal(bobs.delivery.context.requestId, requestId)
      // What everybody had is kept nowhere.
      await until(async () => (await outbox()).length === 0)
      assert.deepEqual(await scene.alice('select 1 from inbox_events'), [])
    })

    test('a handler that is begun inside another tenant’s scope runs in its own alone', async () => {
      const { subscriber, runs } = seen('nested')
      await as(scene.carol, (events) => events.publish(created, 'x'))
      const store = new PostgresEventStores(scene.tenancy)
      const context = createTenantContext({ tenant: scene.carol })
      await store.for(context).hold([{ name: 'nested', types: ['document.created'] }], { hold: crypto.randomUUID(), holdMs: 1 })
      const { events } = await store.for(context).waiting('nested', 1)
      const parts = {
        keys,
        stores: store,
        scope: scene.tenancy.scope,
        find: async () => scene.carol,
        clock: { now: () => Date.now(), monotonic: () => 0 },
      }
      const run = new EventRun({ ...parts, tenant: scene.carol, subscriber, event: events[0]!, closing: new AbortController().signal })
      await scene.tenancy.run(scene.bob.id, async () => {
        assert.deepEqual(await run.run(), { kind: 'had' })
      })
      assert.deepEqual(
        runs.map(({ slug }) => slug),
        ['carol'],
      )
    })

    test('an envelope of one tenant among another’s events is refused, and what comes behind it arrives', async () => {
      const { subscriber, runs } = seen('guarded')
      await as(scene.bob, (events) => events.publish(created, 'of bob'))
      const [bobs] = await scene.aliceIn<{ id: string; envelope: string }>(
        scene.bob,
        'select id, envelope from outbox_events where tenant_id = $1',
        [scene.bob.id],
      )
      await scene.aliceIn(
        scene.carol,
        `insert into outbox_events (tenant_id, id, type, envelope) values ($1, $2, 'document.created', $3)`,
        [scene.carol.id, bobs!.id, bobs!.envelope],
      )
      await as(scene.carol, (events) => events.publish(created, 'of carol'))
      consume({ subscribers: [subscriber] })
      await until(() => runs.length === 2)
      assert.deepEqual(runs.map(({ slug, data }) => `${slug}: ${data}`).toSorted(), ['bob: of bob', 'carol: of carol'])
      const { events: dead } = await as(scene.carol, (events) => events.dead())
      assert.deepEqual(
        dead.map(({ id, subscriber: whose, error }) => [id, whose, error]),
        [[bobs!.id, 'guarded', 'EnvelopeRefusedError PW_ENVELOPE_REFUSED']],
      )
      assert.equal((failures[0]!.error as EnvelopeRefusedError).details['reason'], 'wrong-tenant')
    })

    test('what was sealed with another key, or is not its row’s, is refused', async () => {
      const { subscriber, runs } = seen('sealed')
      const forger = fixedSealKeys([{ id: 'k-1', secret: Buffer.alloc(32, 9) }])
      const forged = await sealEnvelope(
        {
          id: crypto.randomUUID(),
          source: 's',
          type: 'document.created',
          subject: undefined,
          time: new Date(),
          dataSchema: undefined,
          data: 'as staff',
          tenantId: scene.bob.id,
          tenantEpoch: 1,
          actor: { kind: 'staff', id: 'eve' },
          requestId: 'r',
          trace: undefined,
        },
        forger,
      )
      // Eve speaks SQL inside bob's scope, and so may write there.
      await scene.tenancy.run(scene.bob.id, async () => {
        const put = `insert into outbox_events (tenant_id, id, type, envelope) values ($1, $2, 'document.created', $3)`
        await scene.tenancy.query(put, [scene.bob.id, JSON.parse(forged).id, forged])
        await scene.tenancy.events().publish(created, 'honest')
        const { rows } = await scene.tenancy.query<{ envelope: string }>(
          `select envelope from outbox_events where envelope like '%honest%'`,
        )
        await scene.tenancy.query(put, [scene.bob.id, crypto.randomUUID(), rows[0]!.envelope])
      })
      consume({ subscribers: [subscriber] })
      await until(async () => (await as(scene.bob, (events) => events.dead())).events.length === 2)
      assert.deepEqual(
        runs.map(({ data }) => data),
        ['honest'],
      )
    })

    test('what is no data of the event is refused before it is published, and no value is told', async () => {
      const strict = tenantEvent(
        'strict',
        schemaOf<number>((value) => (typeof value === 'number' ? undefined : 'a number')),
      )
      await assert.rejects(
        // What a caller without types may send.
        as(scene.bob, (events) => events.publish(strict, 'secret' as never)),
        (error: Error) =>
          error instanceof InvalidInputError && /strict.*input: a number/.test(error.message) && !/secret/.test(error.message),
      )
      await assert.rejects(
        as(scene.bob, (events) => events.publish(created, 'x'.repeat(1_100_000))),
        InvalidInputError,
      )
      assert.throws(() => tenantEvent('No', anything()), ConfigurationError)
      assert.throws(() => eventSubscriber('none', []), ConfigurationError)
      assert.throws(() => eventSubscriber('twice', [on(strict, () => {}), on(strict, () => {})]), ConfigurationError)
      assert.deepEqual(await outbox(), [])
    })

    test('an event published in a transaction is there with it, or not at all', async () => {
      const { subscriber, runs } = seen('in-transaction')
      await as(scene.bob, async (events) => {
        await assert.rejects(
          scene.tenancy.transaction(async (tx) => {
            await events.publish(created, 'undone', { tx })
            throw new RangeError('no')
          }),
          RangeError,
        )
        await scene.tenancy.transaction(async (tx) => {
          await events.publish(created, 'done', { tx })
        })
      })
      consume({ subscribers: [subscriber] })
      await until(() => runs.length === 1)
      assert.deepEqual(
        runs.map(({ data }) => data),
        ['done'],
      )
    })

    test('no event is published in another tenant’s transaction', async () => {
      const carols = await as(scene.carol, async (events) => events)
      await scene.tenancy.run(scene.bob.id, async () => {
        await scene.tenancy.transaction(async (tx) => {
          await assert.rejects(carols.publish(created, 'x', { tx }), WrongTenantError)
        })
      })
      assert.deepEqual(await outbox(), [])
    })

    test('each subscriber has each event once, in the order of its subject', async () => {
      const first = seen('first', (data, delivery) => effect(delivery, `first ${data}`))
      const second = seen('second', async (data, delivery) => {
        await pause(Number(data) % 3)
        await effect(delivery, `second ${data}`)
      })
      const numbers = Array.from({ length: 60 }, (_, n) => String(n))
      await as(scene.bob, async (events) => {
        for (const n of numbers) await events.publish(created, n, { subject: `d-${Number(n) % 4}` })
      })
      consume({ subscribers: [first.subscriber, second.subscriber] })
      consume({ subscribers: [second.subscriber, first.subscriber] })
      await until(async () => (await outbox()).length === 0)
      for (const { runs } of [first, second]) {
        for (const line of [0, 1, 2, 3]) {
          const had = runs.map(({ data }) => Number(data)).filter((n) => n % 4 === line)
          assert.deepEqual(
            had,
            had.toSorted((a, b) => a - b),
          )
        }
      }
      assert.equal((await effects(scene.bob)).length, 120)
    })

    test('the effect and its record are one: what fails afterwards leaves neither, and the event comes again', async () => {
      const { subscriber } = seen(
        'atomic',
        async (data, delivery) => {
          await effect(delivery, data)
          if (delivery.attempt < 3) throw new RangeError('after the effect')
        },
        { retryPauseMs: 1 },
      )
      await as(scene.bob, (events) => events.publish(created, 'once'))
      consume({ subscribers: [subscriber] })
      await until(async () => (await outbox()).length === 0)
      assert.deepEqual(await effects(scene.bob), ['effect once 3'])
      assert.deepEqual(await scene.alice('select 1 from event_deliveries'), [])
    })

    test('an event that is put in once more after it was had is not done again', async () => {
      const other = seen('slow-other', () => Promise.reject(new RangeError('no')), { retryPauseMs: 60_000 })
      const { subscriber } = seen('idempotent', (data, delivery) => effect(delivery, data))
      await as(scene.bob, (events) => events.publish(created, 'once'))
      const consumer = consume({ subscribers: [subscriber, other.subscriber] })
      await until(() => other.runs.length === 1)
      await consumer.close()
      // It is still there, for the other one. Another consumer begins without knowing anything.
      const store = new PostgresEventStores(scene.tenancy).for(createTenantContext({ tenant: scene.bob }))
      const [row] = await scene.aliceIn<{ id: string; envelope: string }>(scene.bob, 'select id, envelope from outbox_events')
      const event = { ...row!, type: 'document.created', line: '', attempts: 0, hasFailed: false }
      const options = { timeoutMs: 5_000, signal: new AbortController().signal }
      assert.equal(await store.deliver('idempotent', event, () => assert.fail('again'), options), false)
      assert.deepEqual(await effects(scene.bob), ['effect once 1'])
      // One that is gone is not done either, whoever still has it in hand.
      await scene.aliceIn(scene.bob, 'delete from inbox_events')
      await scene.aliceIn(scene.bob, 'delete from outbox_events')
      assert.equal(await store.deliver('idempotent', event, () => assert.fail('again'), options), false)
    })

    test('one that fails holds up its own subject alone, is dead at last, and is tried anew when somebody says so', async () => {
      let isMended = false
      const { subscriber, runs } = seen(
        'failing',
        (data) => {
          if (data.startsWith('poison') && !isMended) throw new RangeError('bob@example.com')
        },
        { attemptsMax: 3, retryPauseMs: 100 },
      )
      await as(scene.bob, async (events) => {
        await events.publish(created, 'poison', { subject: 'a' })
        await events.publish(created, 'behind', { subject: 'a' })
        await events.publish(created, 'beside', { subject: 'b' })
      })
      await as(scene.carol, (events) => events.publish(created, 'carols', { subject: 'a' }))
      consume({ subscribers: [subscriber], concurrency: 1 })
      await until(() => runs.some(({ data }) => data === 'behind'))
      const bobs = runs.filter(({ slug }) => slug === 'bob').map(({ data }) => data)
      assert.deepEqual(bobs, ['poison', 'beside', 'poison', 'poison', 'behind'])
      assert.ok(runs.findIndex(({ data }) => data === 'carols') < runs.findLastIndex(({ data }) => data === 'poison'))
      assert.deepEqual(
        failures.map(({ attempt, isDead }) => [attempt, isDead]),
        [
          [1, false],
          [2, false],
          [3, true],
        ],
      )
      const { events: dead } = await as(scene.bob, (events) => events.dead({ subscriber: 'failing' }))
      // No text of the error's is kept: it may be anybody's address.
      assert.deepEqual(
        dead.map(({ type, subject, attempts, error }) => [type, subject, attempts, error]),
        [['document.created', 'a', 3, 'RangeError']],
      )
      const { id } = dead[0]!
      await as(scene.carol, async (events) => {
        assert.deepEqual(await events.dead(), { events: [], next: undefined })
        assert.equal(await events.replay({ id }), 0)
        assert.equal(await events.replay(), 0)
        assert.equal(await events.discard(), 0)
        await assert.rejects(events.replay({ id: 'no' }), EventNotFoundError)
      })
      isMended = true
      assert.equal(await as(scene.bob, (events) => events.replay({ id })), 1)
      await until(async () => (await outbox()).length === 0)
      assert.equal(runs.filter(({ data }) => data === 'poison').length, 4)
      assert.deepEqual(await scene.alice('select 1 from event_deliveries'), [])
    })

    test('a dead event that is discarded is gone, and so is a subscriber that is forgotten', async () => {
      const { subscriber, runs } = seen('hopeless', () => Promise.reject(new RangeError('no')), { attemptsMax: 1 })
      await as(scene.bob, (events) => events.publishAll(created, ['a', 'b']))
      consume({ subscribers: [subscriber] })
      await until(async () => (await as(scene.bob, (events) => events.dead())).events.length === 2)
      const page = await as(scene.bob, (events) => events.dead({ limit: 1 }))
      const rest = await as(scene.bob, (events) => events.dead({ after: page.next }))
      assert.deepEqual([page.events.length, rest.events.length], [1, 1])
      assert.equal(await as(scene.bob, (events) => events.discard({ subscriber: 'hopeless' })), 2)
      assert.equal(await as(scene.carol, (events) => events.unsubscribe('hopeless')), false)
      assert.equal(await as(scene.bob, (events) => events.unsubscribe('hopeless')), true)
      assert.deepEqual(await outbox(), [])
      assert.equal(runs.length, 2)
    })

    test('poison of one tenant does not keep another’s waiting', async () => {
      const { subscriber, runs } = seen('poisoned', (data) => (data === 'poison' ? Promise.reject(new RangeError('no')) : undefined), {
        retryPauseMs: 1,
        attemptsMax: 1_000,
      })
      await as(scene.bob, async (events) => {
        for (const n of Array(50).keys()) await events.publish(created, 'poison', { subject: `${n}` })
      })
      await as(scene.carol, (events) => events.publish(created, 'good'))
      consume({ subscribers: [subscriber], concurrency: 1, sliceMs: 50 })
      await until(() => runs.some(({ data }) => data === 'good'))
    })

    test('the events of a tenant that is suspended wait until it is served again', async () => {
      const { subscriber, runs } = seen('patient')
      await as(scene.carol, (events) => events.publish(created, 'x'))
      await scene.suspend(scene.carol)
      try {
        consume({ subscribers: [subscriber] })
        await pause(200)
        assert.deepEqual(runs, [])
      } finally {
        await scene.resume(scene.carol)
      }
      // It would be looked at again in a minute.
      await as(scene.carol, (events) => events.publish(created, 'y'))
      await until(() => runs.length === 2)
    })

    test('what takes too long is aborted and undone', async () => {
      const { subscriber } = seen(
        'slow',
        async (data, delivery) => {
          await effect(delivery, data)
          await new Promise((_, reject) => delivery.signal.addEventListener('abort', () => reject(delivery.signal.reason)))
        },
        { timeoutMs: 100, attemptsMax: 1 },
      )
      await as(scene.bob, (events) => events.publish(created, 'x'))
      consume({ subscribers: [subscriber] })
      await until(async () => (await as(scene.bob, (events) => events.dead())).events.length === 1)
      assert.deepEqual(await effects(scene.bob), [])
    })

    test('a consumer that closes undoes what does not end, and it does not count as an attempt', async () => {
      const { subscriber, runs } = seen('closing', async (data, delivery) => {
        await effect(delivery, data)
        await new Promise((_, reject) => delivery.signal.addEventListener('abort', () => reject(delivery.signal.reason)))
      })
      await as(scene.bob, (events) => events.publish(created, 'x'))
      const consumer = consume({ subscribers: [subscriber] })
      await until(() => runs.length === 1)
      await consumer.close({ waitMs: 0 })
      assert.deepEqual(await effects(scene.bob), [])
      assert.deepEqual(await scene.alice('select 1 from event_deliveries'), [])
      assert.equal((await outbox()).length, 1)
    })
  })
})
