// A tenant's events, in the tables that partywall.create_events() makes among the tenant's own. Times are by the clock of the database they
// are in, so that processes need not agree on theirs.

import type { OpenTransaction } from '../core/open-transaction.ts'
import type { TenantContext } from '../core/tenant-context.ts'
import { ConfigurationError, WrongTenantError } from '../errors.ts'
import type {
  DeadEvent,
  EventStore,
  EventStores,
  FailedDelivery,
  NewEvent,
  SubscriberTypes,
  Waiting,
  WaitingEvent,
  WhichDead,
} from '../resources/events/event-store.ts'
import type { TenantHandle } from './tenant-handle.ts'

/** @see EventStores */
export class PostgresEventStores implements EventStores {
  readonly #doors: { for(context: TenantContext): TenantHandle }

  /** @param doors a tenancy, or what opens a tenant's rows like one. */
  constructor(doors: { for(context: TenantContext): TenantHandle }) {
    this.#doors = doors
  }

  for(context: TenantContext): EventStore {
    return new PostgresEventStore(this.#doors.for(context))
  }
}

interface WaitingRow {
  readonly id: string | null
  readonly type: string
  readonly line: string
  readonly envelope: string
  readonly attempts: number
  readonly has_failed: boolean
  readonly next_in_ms: string | null
}

interface DeadRow {
  readonly event_id: string
  readonly subscriber: string
  readonly type: string
  readonly subject: string | null
  readonly attempt: number
  readonly error: string | null
  readonly died_at: Date
}

const appendOneText = 'insert into outbox_events (tenant_id, id, type, subject, envelope) values ($1, $2, $3, $4, $5)'

const appendText = `
  insert into outbox_events (tenant_id, id, type, subject, envelope)
  select $1, e.id, e.type, e.subject, e.envelope
    from unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) with ordinality as e (id, type, subject, envelope, n)
   order by e.n`

const holdText = `
  insert into event_subscribers as s (tenant_id, name, types, hold, held_until)
  select $1, w.name, string_to_array(w.types, ','), $4, clock_timestamp() + $5 * interval '1 millisecond'
    from unnest($2::text[], $3::text[]) as w (name, types)
   order by w.name
      on conflict on constraint event_subscribers_pkey
      do update set types = excluded.types, hold = excluded.hold, held_until = excluded.held_until, was_lost = s.hold is not null
   where s.held_until is null or s.held_until <= clock_timestamp()
  returning s.name, s.was_lost`

// A transaction lasts fifty minutes at most (transaction-options.ts): whatever is older than an hour has been committed, and was seen.
const releaseText = `
  update event_subscribers as s
     set hold = null, held_until = null,
         floor_seq = case when s.name <> all ($3::text[]) then s.floor_seq else greatest(s.floor_seq, least(
           (extract(epoch from clock_timestamp() - interval '1 hour') * 1000000)::bigint,
           (select min(d.seq) - 1 from event_deliveries as d where d.tenant_id = $1 and d.subscriber = s.name))) end
   where s.tenant_id = $1 and s.hold = $2`

const waitingText = `
  with paused as materialized (
    select d.line, d.due_at
      from event_deliveries as d
     where d.tenant_id = $1 and d.subscriber = $2 and d.died_at is null and d.due_at > clock_timestamp()
  ), next as (
    select extract(epoch from min(paused.due_at) - clock_timestamp()) * 1000 as in_ms from paused
  ), found as (
    select o.id, o.seq, o.type, coalesce(o.subject, '') as line, o.envelope, coalesce(d.attempt, 0) as attempts,
           d.event_id is not null as has_failed
      from event_subscribers as s
      join outbox_events as o on o.tenant_id = $1 and o.seq > s.floor_seq and o.type = any (s.types)
      left join event_deliveries as d on d.tenant_id = $1 and d.subscriber = $2 and d.event_id = o.id
     where s.tenant_id = $1 and s.name = $2 and d.died_at is null
       and not exists (select from inbox_events as i where i.tenant_id = $1 and i.subscriber = $2 and i.event_id = o.id)
       and not exists (select from paused where paused.line = coalesce(o.subject, ''))
     order by o.seq, o.id
     limit $3
  )
  select f.id, f.type, f.line, f.envelope, f.attempts, f.has_failed, next.in_ms as next_in_ms
    from next
    left join found as f on true
   order by f.seq, f.id`

// The lock keeps the event from being tidied away; one that is gone was had by everybody.
const receiveText = `
  insert into inbox_events (tenant_id, subscriber, event_id)
  select $1, $2, o.id from outbox_events as o where o.tenant_id = $1 and o.id = $3 for key share
      on conflict on constraint inbox_events_pkey do nothing
  returning event_id`

const failText = `
  insert into event_deliveries as d (tenant_id, subscriber, event_id, seq, line, attempt, due_at, error, died_at)
  select $1, $2, o.id, o.seq, coalesce(o.subject, ''), 1, clock_timestamp() + coalesce($4::bigint, 0) * interval '1 millisecond', $5,
         case when $4::bigint is null then clock_timestamp() end
    from outbox_events as o
   where o.tenant_id = $1 and o.id = $3
     and not exists (select from inbox_events as i where i.tenant_id = $1 and i.subscriber = $2 and i.event_id = o.id)
      on conflict on constraint event_deliveries_pkey
      do update set attempt = d.attempt + case when $6::boolean then 0 else 1 end, due_at = excluded.due_at, error = excluded.error, died_at = excluded.died_at`

// Two subscribers that end at once do not see each other's rows of the inbox: what both leave behind is found without ids, later. What nobody
// wants is kept for a week, for a subscriber that is new.
const tidyText = `
  with done as (
    delete from outbox_events as o
     where o.tenant_id = $1
       and ($2::uuid[] is not null and o.id = any ($2::uuid[]) or o.id = any (array(
             select old.id
               from outbox_events as old
              where $2::uuid[] is null and old.tenant_id = $1
                and old.seq < (extract(epoch from clock_timestamp() - interval '10 seconds') * 1000000)::bigint
                and (old.seq < (extract(epoch from clock_timestamp() - interval '7 days') * 1000000)::bigint
                  or exists (select from inbox_events as i where i.tenant_id = $1 and i.event_id = old.id))
              order by old.seq
              limit 1000)))
       and not exists (
         select from event_subscribers as s
          where s.tenant_id = $1 and o.type = any (s.types)
            and not exists (select from inbox_events as i where i.tenant_id = $1 and i.subscriber = s.name and i.event_id = o.id))
    returning o.id
  )
  delete from inbox_events as i using done where i.tenant_id = $1 and i.event_id = done.id`

const whichDead = 'd.died_at is not null and ($2::uuid is null or d.event_id = $2) and ($3::text is null or d.subscriber = $3)'

class PostgresEventStore implements EventStore {
  readonly #handle: TenantHandle
  readonly #tenantId: string

  constructor(handle: TenantHandle) {
    this.#handle = handle
    this.#tenantId = handle.context.tenant.id
  }

  async append(events: readonly NewEvent[], tx: OpenTransaction | undefined): Promise<void> {
    if (tx !== undefined && tx.context.tenant.id !== this.#tenantId) {
      throw new WrongTenantError(`The transaction is of tenant ${tx.context.tenant.id}, the events of tenant ${this.#tenantId}.`)
    }
    const [first] = events
    if (first !== undefined && events.length === 1) {
      await this.#rows(appendOneText, [first.id, first.type, first.subject, first.envelope], tx)
      return
    }
    const values = [
      events.map(({ id }) => id),
      events.map(({ type }) => type),
      events.map(({ subject }) => subject ?? null),
      events.map(({ envelope }) => envelope),
    ]
    await this.#rows(appendText, values, tx)
  }

  async hold(subscribers: readonly SubscriberTypes[], { hold, holdMs }: { readonly hold: string; readonly holdMs: number }) {
    const rows = await this.#rows<{ readonly name: string; readonly was_lost: boolean }>(holdText, [
      subscribers.map(({ name }) => name),
      subscribers.map(({ types }) => types.join(',')),
      hold,
      holdMs,
    ])
    return new Map(rows.map(({ name, was_lost: wasLost }) => [name, { wasLost }] as const))
  }

  async release(hold: string, idle: readonly string[]): Promise<void> {
    await this.#rows(releaseText, [hold, idle])
  }

  async waiting(subscriber: string, limit: number): Promise<Waiting> {
    const rows = await this.#rows<WaitingRow>(waitingText, [subscriber, limit])
    const nextInMs = rows[0]?.next_in_ms
    return {
      events: rows.flatMap(({ id, type, line, envelope, attempts, has_failed: hasFailed }) =>
        id === null ? [] : { id, type, line, envelope, attempts, hasFailed },
      ),
      nextInMs: nextInMs === null || nextInMs === undefined ? undefined : Math.max(0, Math.ceil(Number(nextInMs))),
    }
  }

  async deliver(
    subscriber: string,
    event: WaitingEvent,
    effect: (tx: OpenTransaction) => Promise<void>,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<boolean> {
    return await this.#answer(() =>
      this.#handle.transaction(
        async (tx) => {
          const { rowCount } = await tx.query(receiveText, [this.#tenantId, subscriber, event.id])
          if (rowCount !== 1) return false
          await effect(tx)
          if (event.hasFailed) {
            await tx.query('delete from event_deliveries as d where d.tenant_id = $1 and d.subscriber = $2 and d.event_id = $3', [
              this.#tenantId,
              subscriber,
              event.id,
            ])
          }
          return true
        },
        // Whoever comes second waits for the row of the first, and must see it.
        { ...options, isolation: 'read committed' },
      ),
    )
  }

  async fail({ subscriber, eventId, retryInMs, error, isCounted = false }: FailedDelivery): Promise<void> {
    await this.#rows(failText, [subscriber, eventId, retryInMs, error, isCounted])
  }

  async tidy(eventIds: readonly string[] | undefined): Promise<void> {
    await this.#rows(tidyText, [eventIds])
  }

  async deadPage({ after, subscriber, limit }: Parameters<EventStore['deadPage']>[0]): Promise<readonly DeadEvent[]> {
    const rows = await this.#rows<DeadRow>(
      `select d.event_id, d.subscriber, o.type, o.subject, d.attempt, d.error, d.died_at
         from event_deliveries as d
         join outbox_events as o on o.tenant_id = $1 and o.id = d.event_id
        where d.tenant_id = $1 and d.died_at is not null
          and ($2::uuid is null or (d.event_id, d.subscriber) > ($2, $3)) and ($4::text is null or d.subscriber = $4)
        order by d.event_id, d.subscriber
        limit $5`,
      [after?.id, after?.subscriber ?? '', subscriber, limit],
    )
    return rows.map((row) => ({
      id: row.event_id,
      subscriber: row.subscriber,
      type: row.type,
      subject: row.subject ?? undefined,
      attempts: row.attempt,
      error: row.error ?? undefined,
      diedAt: row.died_at,
    }))
  }

  async replay({ id, subscriber }: WhichDead): Promise<number> {
    // The row stays: the subscriber's floor is kept below it.
    return await this.#count(
      `update event_deliveries as d set attempt = 0, due_at = clock_timestamp(), died_at = null where d.tenant_id = $1 and ${whichDead}`,
      [id, subscriber],
    )
  }

  async discard({ id, subscriber }: WhichDead): Promise<number> {
    const rows = await this.#rows<{ readonly event_id: string }>(
      `with gone as (
         delete from event_deliveries as d where d.tenant_id = $1 and ${whichDead} returning d.subscriber, d.event_id
       ), had as (
         insert into inbox_events (tenant_id, subscriber, event_id) select $1, gone.subscriber, gone.event_id from gone
             on conflict on constraint inbox_events_pkey do nothing
       )
       select gone.event_id from gone`,
      [id, subscriber],
    )
    if (rows.length > 0) await this.tidy(rows.map(({ event_id }) => event_id))
    return rows.length
  }

  async forget(subscriber: string): Promise<boolean> {
    const [row] = await this.#rows<{ readonly was_there: boolean }>(
      `with gone as (
         delete from event_subscribers as s where s.tenant_id = $1 and s.name = $2 returning s.name
       ), failed as (
         delete from event_deliveries as d where d.tenant_id = $1 and d.subscriber = $2
       )
       select exists (select from gone) as was_there`,
      [subscriber],
    )
    return row?.was_there === true
  }

  async #count(text: string, values: readonly unknown[]): Promise<number> {
    const { rowCount } = await this.#answer(() => this.#handle.query(text, [this.#tenantId, ...values]))
    return rowCount ?? 0
  }

  async #rows<Row>(text: string, values: readonly unknown[], tx?: OpenTransaction): Promise<readonly Row[]> {
    const { rows } = await this.#answer(() => (tx ?? this.#handle).query<Row>(text, [this.#tenantId, ...values]))
    return rows
  }

  /** @throws {ConfigurationError} with what mends it, when the tables are not there. */
  async #answer<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
      if (code !== '42P01' || !/outbox_events|event_subscribers/.test(String(message))) throw error
      throw new ConfigurationError('There are no events where the tenant lives. Write a migration: select partywall.create_events();', {
        cause: error,
      })
    }
  }
}
