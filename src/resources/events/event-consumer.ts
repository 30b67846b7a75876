// A consumer: takes tenants that have events, fairly, and hands each event to its subscribers inside the tenant's scope.
//
//   round ─► visit(tenant, share) ─► hold the subscribers that nobody has ─► lines of events, as many at once as is the share
//                                                                              │ one event after another in a line
//            let go ◄─ tidy ◄─ a slice of time is over, or nothing is left ◄───┘ failed: the line waits, or the event is dead

import type { Clock } from '../../core/clock.ts'
import type { TenancyObserver } from '../../core/observer.ts'
import type { SealKeys } from '../../core/seal-keys.ts'
import { settledWithin } from '../../core/settled-within.ts'
import type { Tenant, TenantId } from '../../core/tenant.ts'
import { createTenantContext, type TenantScope } from '../../core/tenant-context.ts'
import { type RoundsWork, TenantRounds } from '../../core/tenant-rounds.ts'
import type { WorkMarks } from '../../core/work-marks.ts'
import { ClosedError, ConfigurationError, TenancyError } from '../../errors.ts'
import { EventRun, failureWords } from './event-run.ts'
import type { EventStore, EventStores, WaitingEvent } from './event-store.ts'
import type { EventSubscriber } from './event-subscriber.ts'
import { eventKind } from './tenant-events.ts'

/** What failed, and whose it was. */
export interface EventFailure {
  readonly tenantId: TenantId | undefined
  readonly eventId?: string | undefined
  readonly subscriber?: string | undefined
  readonly attempt?: number | undefined
  /** Is it not tried again? */
  readonly isDead?: boolean | undefined
}

export interface EventConsumerOptions {
  readonly subscribers: readonly EventSubscriber[]
  /** Events that are handled at once. Default 8. */
  readonly concurrency?: number | undefined
  /** Events of one tenant that are handled at once. Default half of `concurrency`, so that there is room for another's at any time. */
  readonly tenantConcurrency?: number | undefined
  /** How long a tenant is served before others have their turn, in milliseconds. Default 1,000. */
  readonly sliceMs?: number | undefined
  /** How often it looks for events that other processes have published, in milliseconds. Default 500. */
  readonly pollMs?: number | undefined
  /** How often all tenants are looked at for events that nobody announced, as after a restore, in milliseconds. Default an hour. */
  readonly sweepMs?: number | undefined
  /** Hears of failures, those of handlers and those of the consumer's own. Default: a process warning that names class and code. */
  readonly onError?: ((error: unknown, failure: EventFailure) => void) | undefined
}

export interface EventConsumerParts {
  readonly keys: SealKeys | undefined
  readonly stores: EventStores
  readonly marks: WorkMarks
  readonly scope: TenantScope
  /** The tenant whatever its status; `isFresh`: as it is now, not as it was lately. */
  readonly find: (id: TenantId, isFresh: boolean) => Promise<Tenant | undefined>
  readonly clock: Clock
  /** Told what each attempt took. */
  readonly observer?: Pick<Required<TenancyObserver>, 'onWork'> | undefined
}

/** In milliseconds: when a tenant that may not be served is looked at again. */
const suspendedPauseMs = 60_000
const onboardingPauseMs = 5_000
const movingPauseMs = 1_000
/** After how long the subscribers of a consumer that is silent are another's. */
const holdMs = 60_000
const retryPauseMaxMs = 3_600_000
const batchSize = 100

/** One subscriber's events of one subject, in their order. */
interface Line {
  readonly subscriber: EventSubscriber
  readonly events: WaitingEvent[]
}

/** Delivers events until it is closed. Made by `tenancy.startConsumer()`. */
export class EventConsumer {
  readonly #parts: EventConsumerParts & { readonly keys: SealKeys }
  readonly #subscribers: ReadonlyMap<string, EventSubscriber>
  readonly #concurrency: number
  readonly #tenantConcurrency: number
  readonly #sliceMs: number
  readonly #onError: (error: unknown, failure: EventFailure) => void
  readonly #rounds: TenantRounds
  readonly #shares = new Map<TenantId, number>()
  /** Tenants that had new events while they were served. */
  readonly #again = new Set<TenantId>()
  readonly #controller = new AbortController()
  #isClosing = false
  #closing: Promise<void> | undefined

  /** @internal @throws {ConfigurationError} */
  constructor({ keys, ...parts }: EventConsumerParts, options: EventConsumerOptions) {
    const { concurrency = 8, tenantConcurrency = Math.max(1, Math.floor(concurrency / 2)), sliceMs = 1_000 } = options
    assertWhole({ concurrency, tenantConcurrency, sliceMs })
    if (keys === undefined)
      throw new ConfigurationError('There is nothing to verify events with: pass events: { source, keys } to createTenancy().')
    this.#parts = { ...parts, keys }
    this.#subscribers = byName(options.subscribers)
    this.#concurrency = concurrency
    this.#tenantConcurrency = tenantConcurrency
    this.#sliceMs = sliceMs
    this.#onError = options.onError ?? warn
    const work: RoundsWork = {
      free: () => this.#free(),
      sharers: (free) => free,
      full: () => [...this.#shares.keys()],
      visit: (tenantId, offered) => this.#visit(tenantId, offered),
      onError: (error, tenantId) => this.#report(error, { tenantId }),
    }
    const { pollMs, sweepMs } = options
    this.#rounds = new TenantRounds({ kind: eventKind, marks: parts.marks, work, pollMs, sweepMs, holdMs, clock: parts.clock })
  }

  /** @internal */
  start(): void {
    this.#rounds.start()
  }

  /** @internal A tenant has a new event, published in this process. */
  wake(tenantId: TenantId): void {
    if (this.#isClosing) return
    if (this.#shares.has(tenantId)) this.#again.add(tenantId)
    else this.#rounds.wake(tenantId)
  }

  /** Begins no more events, waits for those that run, at most `waitMs` (default 30,000), then aborts the rest: what they wrote is undone. */
  async close(options: { readonly waitMs?: number | undefined } = {}): Promise<void> {
    this.#closing ??= this.#close(options.waitMs ?? 30_000)
    await this.#closing
  }

  async #close(waitMs: number): Promise<void> {
    this.#isClosing = true
    const ended = this.#rounds.close()
    await settledWithin(ended, waitMs)
    this.#controller.abort(new ClosedError('The consumer is closing.'))
    await ended
  }

  #free(): number {
    return this.#concurrency - [...this.#shares.values()].reduce((sum, share) => sum + share, 0)
  }

  /** Serves a tenant for a slice of time. @returns in how many milliseconds there is more. */
  async #visit(tenantId: TenantId, offered: number): Promise<number | undefined> {
    // A tenant that is being served here is looked at again when its slice ends.
    if (this.#shares.has(tenantId)) return 100
    const share = Math.min(offered, this.#tenantConcurrency, this.#free())
    if (share < 1) return 0
    this.#shares.set(tenantId, share)
    try {
      const tenant = await this.#parts.find(tenantId, false)
      if (tenant === undefined || tenant.status === 'offboarding') return undefined
      if (tenant.status !== 'active') return tenant.status === 'suspended' ? suspendedPauseMs : onboardingPauseMs
      return await this.#serve(tenant, share)
    } catch (error) {
      if (!isOfTheTenant(error)) throw error
      await this.#parts.find(tenantId, true)
      return error.code === 'PW_TENANT_MOVING' ? movingPauseMs : suspendedPauseMs
    } finally {
      this.#shares.delete(tenantId)
      this.#rounds.wake(this.#again.delete(tenantId) ? tenantId : undefined)
    }
  }

  async #serve(tenant: Tenant, share: number): Promise<number | undefined> {
    const store = this.#parts.stores.for(createTenantContext({ tenant }))
    const hold = crypto.randomUUID()
    const wanted = [...this.#subscribers.values()].map(({ name, reactions }) => ({ name, types: [...reactions.keys()] }))
    const held = await store.hold(wanted, { hold, holdMs })
    const subscribers = [...held.keys()].flatMap((name) => this.#subscribers.get(name) ?? [])
    const isCareful = (name: string): boolean => held.get(name)?.wasLost === true
    const until = this.#parts.clock.monotonic() + this.#sliceMs
    const hasTime = (): boolean => !this.#isClosing && this.#parts.clock.monotonic() < until
    const idle: string[] = []
    let nextInMs = held.size < wanted.length ? 1_000 : Number.POSITIVE_INFINITY
    try {
      let active = subscribers
      let tidying: Promise<void> | undefined
      while (active.length > 0 && hasTime()) {
        const waits = active.map(async (subscriber) => ({ subscriber, ...(await store.waiting(subscriber.name, batchSize)) }))
        const [found] = await Promise.all([Promise.all(waits), tidying])
        for (const { subscriber, events, nextInMs: inMs } of found) {
          if (events.length === 0) idle.push(subscriber.name)
          nextInMs = Math.min(nextInMs, inMs ?? Number.POSITIVE_INFINITY)
        }
        const lines = found.flatMap(({ subscriber, events }) => linesOf(subscriber, events))
        const done = await this.#runLines({ tenant, store, lines, share, hasTime, isCareful })
        // Beside the next look, which sees an event and its receipts, or none of them.
        tidying = done.length > 0 ? store.tidy(done) : undefined
        active = found.filter(({ events }) => events.length > 0).map(({ subscriber }) => subscriber)
      }
      await tidying
      if (idle.length === wanted.length) await store.tidy(undefined)
      if (active.length > 0) return 0
      return Number.isFinite(nextInMs) ? nextInMs : undefined
    } finally {
      await store.release(hold, idle)
    }
  }

  /** @returns the events that were had. */
  async #runLines(parts: Serving & { readonly lines: readonly Line[]; readonly share: number }): Promise<readonly string[]> {
    const lines = parts.lines.values()
    const done: string[] = []
    const failures: unknown[] = []
    const runner = async (): Promise<void> => {
      // The runners share one iterator: each takes the line that comes next.
      for (const line of lines) {
        if (failures.length > 0 || !parts.hasTime()) return
        await this.#runLine(parts, line, done).catch((error: unknown) => failures.push(error))
      }
    }
    await Promise.all(Array.from({ length: Math.min(parts.share, parts.lines.length) }, runner))
    if (failures.length > 0) throw failures[0]
    return done
  }

  async #runLine({ tenant, store, hasTime, isCareful }: Serving, { subscriber, events }: Line, done: string[]): Promise<void> {
    for (const found of events) {
      if (!hasTime()) return
      const isCounted = isCareful(subscriber.name)
      if (isCounted) await this.#count(store, subscriber, found)
      if (isCounted && found.attempts >= subscriber.attemptsMax) continue
      const event = isCounted ? { ...found, hasFailed: true } : found
      const run = new EventRun({ ...this.#parts, tenant, subscriber, event, closing: this.#controller.signal })
      const { clock, observer } = this.#parts
      const begunAt = clock.monotonic()
      const outcome = await run.run()
      const told = outcome.kind === 'had' ? 'done' : 'failed'
      observer?.onWork({ kind: 'event', tenant, name: subscriber.name, ms: clock.monotonic() - begunAt, outcome: told })
      if (outcome.kind === 'had') {
        done.push(event.id)
        continue
      }
      const { error } = outcome
      if (isOfTheTenant(error)) throw error
      // Ended by its consumer: whoever takes it next begins anew.
      if (this.#controller.signal.aborted) return
      const attempt = event.attempts + 1
      const isDead = outcome.kind === 'refused' || attempt >= subscriber.attemptsMax
      this.#report(error, { tenantId: tenant.id, eventId: event.id, subscriber: subscriber.name, attempt, isDead })
      const retryInMs = isDead ? undefined : pauseAfter(event, subscriber)
      await store.fail({ subscriber: subscriber.name, eventId: event.id, retryInMs, error: failureWords(error), isCounted })
      // What comes behind it waits with it; behind one that is dead nothing waits.
      if (!isDead) return
    }
  }

  /** Before it begins, since whoever tried it last may have died of it. One that was begun too often is dead. */
  async #count(store: EventStore, subscriber: EventSubscriber, event: WaitingEvent): Promise<void> {
    const isDead = event.attempts >= subscriber.attemptsMax
    const retryInMs = isDead ? undefined : pauseAfter(event, subscriber)
    await store.fail({ subscriber: subscriber.name, eventId: event.id, retryInMs, error: 'ConsumerLost', isCounted: isDead })
  }

  #report(error: unknown, failure: EventFailure): void {
    try {
      this.#onError(error, failure)
    } catch (listenerError) {
      warn(listenerError, failure)
    }
  }
}

interface Serving {
  readonly tenant: Tenant
  readonly store: EventStore
  readonly hasTime: () => boolean
  /** Has the last one who had this subscriber in hand died? Then what is tried is counted before it is. */
  readonly isCareful: (subscriber: string) => boolean
}

function linesOf(subscriber: EventSubscriber, events: readonly WaitingEvent[]): readonly Line[] {
  const lines = new Map<string, Line>()
  for (const event of events) {
    const line = lines.get(event.line)
    if (line === undefined) lines.set(event.line, { subscriber, events: [event] })
    else line.events.push(event)
  }
  return [...lines.values()]
}

/** The first pause, doubled by each failure; a quarter more or less, so that what failed together does not come again together. */
function pauseAfter({ id, attempts }: WaitingEvent, { retryPauseMs }: EventSubscriber): number {
  const pauseMs = Math.min(retryPauseMaxMs, retryPauseMs * 2 ** Math.min(attempts, 30))
  // The end of a uuid of version 7 is random.
  const spread = Number.parseInt(id.slice(-8), 16) / 0xffff_ffff
  return Math.round(pauseMs * (0.75 + spread / 2))
}

/** Is it the tenant's state that stands in the way, and not the event? */
function isOfTheTenant(error: unknown): error is TenancyError {
  return error instanceof TenancyError && ['PW_TENANT_SUSPENDED', 'PW_TENANT_OFFBOARDING', 'PW_TENANT_MOVING'].includes(error.code)
}

function byName(subscribers: readonly EventSubscriber[]): ReadonlyMap<string, EventSubscriber> {
  const named = new Map(subscribers.map((subscriber) => [subscriber.name, subscriber]))
  if (named.size === 0) throw new ConfigurationError('A consumer needs subscribers: startConsumer({ subscribers: [counter] }).')
  if (named.size < subscribers.length) throw new ConfigurationError('Two subscribers of the consumer have the same name.')
  return named
}

function assertWhole(bounds: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(bounds)) {
    if (!Number.isSafeInteger(value) || value < 1) throw new ConfigurationError(`${name} is ${value}; it must be a whole number from 1 on.`)
  }
}

function warn(error: unknown, { tenantId, eventId, subscriber }: EventFailure): void {
  const whose = [subscriber && `subscriber ${subscriber}`, eventId, tenantId && `of tenant ${tenantId}`].filter(Boolean).join(' ')
  process.emitWarning(`${failureWords(error)}${whose && `: ${whose}`}`, 'PartywallEventWarning')
}
