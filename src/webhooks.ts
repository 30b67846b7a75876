// Webhooks out: events of a tenant, sent to endpoints of its own. A subscriber enqueues a job for each endpoint in the transaction in which it
// has the event; the job sends, with the pauses of jobs between its attempts, and outside every transaction.
//
//   publish ─► outbox ─► subscriber `webhooks` ─► a job for each endpoint that wants it ─► POST, signed ─► 2xx: done
//                          (one transaction)                 ▲                               │
//                                                            └──── later, up to 20 times ◄───┘ for days: disabled, `webhook.disabled`

import type { Clock } from './core/clock.ts'
import { systemClock } from './core/clock.ts'
import type { StandardSchema } from './core/standard-schema.ts'
import type { TenantContext } from './core/tenant-context.ts'
import { BreakGlassRefusedError, ConfigurationError, WebhookFailedError } from './errors.ts'
import type { TenantHandle } from './postgres/tenant-handle.ts'
import { PostgresWebhookStores } from './postgres/webhook-store.ts'
import { type EventSubscriber, eventSubscriber, on } from './resources/events/event-subscriber.ts'
import { type TenantEvent, tenantEvent } from './resources/events/tenant-event.ts'
import type { TenantEvents } from './resources/events/tenant-events.ts'
import { type TenantJob, tenantJob } from './resources/jobs/tenant-job.ts'
import type { TenantJobs } from './resources/jobs/tenant-jobs.ts'
import { type TenantWebhooks, tenantWebhooks } from './resources/webhooks/tenant-webhooks.ts'
import { WebhookSender, type WebhookSenderOptions } from './resources/webhooks/webhook-sender.ts'
import { signWebhook } from './resources/webhooks/webhook-signature.ts'

/** What webhooks need of a tenancy. A {@link Tenancy} is one. */
export interface WebhooksDoor {
  current(): TenantContext
  for(context: TenantContext): TenantHandle
  jobs(): TenantJobs
  events(): TenantEvents
}

export interface WebhooksOptions extends WebhookSenderOptions {
  /** Events that tenants may have sent to them. */
  readonly events: readonly TenantEvent[]
  /** How many endpoints a tenant may have. Default 20. */
  readonly endpointsMax?: number | undefined
  /** After so long a time of nothing but failures an endpoint is disabled, in milliseconds. Default 5 days. */
  readonly disableAfterMs?: number | undefined
  /** How often a message is tried. Default 20, which are about ten hours. */
  readonly attemptsMax?: number | undefined
  /** The pause after the first failure, in milliseconds; each further one doubles it, up to an hour, give or take a quarter. Default 5,000. */
  readonly retryPauseMs?: number | undefined
  readonly clock?: Clock | undefined
}

export interface Webhooks {
  /** For `tenancy.startConsumer({ subscribers: [...] })`. */
  readonly subscriber: EventSubscriber
  /** For `tenancy.startWorker({ jobs: [...] })`. */
  readonly job: TenantJob<WebhookJobInput>
  /** An endpoint was disabled. Published by the tenant that has it; sent to nobody, unless you list it among `events`. */
  readonly disabled: typeof webhookDisabled
  /** The endpoints of the tenant in context. @throws {NoTenantError} outside every tenant. */
  endpoints(): TenantWebhooks
}

export interface WebhookJobInput {
  readonly endpointId: string
  readonly eventId: string
  /** What is sent. */
  readonly body: string
}

const unchecked = <T>(): StandardSchema<T> => ({
  // What is checked by those who wrote it: this file.
  '~standard': { version: 1, vendor: 'partywall', validate: (value) => ({ value: value as T }) },
})

/** An endpoint of webhooks has failed for so long that nothing is sent there any more, or has answered 410 (Gone). */
export const webhookDisabled = tenantEvent('webhook.disabled', unchecked<{ readonly endpointId: string }>())

const goneStatus = 410

/**
 * Webhooks of a tenancy, by Standard Webhooks. They need `events` in its options, and both queues where tenants live:
 * `select partywall.create_events(); select partywall.create_jobs();`.
 *
 * @example
 * ```ts
 * const webhooks = createWebhooks(tenancy, { events: [documentCreated] })
 * tenancy.startConsumer({ subscribers: [webhooks.subscriber] })
 * tenancy.startWorker({ jobs: [webhooks.job] })
 * const { id, secret } = await webhooks.endpoints().add('https://example.com/hooks', { types: ['document.created'] })
 * ```
 *
 * @throws {ConfigurationError}
 */
export function createWebhooks(tenancy: WebhooksDoor, options: WebhooksOptions): Webhooks {
  const { endpointsMax = 20, disableAfterMs = 5 * 86_400_000, attemptsMax = 20, retryPauseMs = 5_000, clock = systemClock } = options
  if (!Number.isSafeInteger(disableAfterMs) || disableAfterMs < 0) {
    throw new ConfigurationError(`disableAfterMs is ${disableAfterMs}; it must be a whole number of milliseconds.`)
  }
  const sender = new WebhookSender(options)
  const stores = new PostgresWebhookStores(tenancy)

  const job = tenantJob(
    'partywall.webhook',
    unchecked<WebhookJobInput>(),
    async ({ endpointId, eventId, body }, { context, signal }) => {
      const store = stores.for(context)
      const endpoint = await store.find(endpointId)
      if (endpoint === undefined || endpoint.disabledAt !== undefined) return
      const message = { id: eventId, timestamp: Math.floor(clock.now() / 1_000), body }
      try {
        await sender.send(endpoint.url, body, signWebhook(message, endpoint.secrets), signal)
      } catch (error) {
        if (signal.aborted) throw error
        const isGone = error instanceof WebhookFailedError && error.details['status'] === goneStatus
        const isDisabled = await tenancy.for(context).transaction(async (tx) => {
          const isOver = await store.failed(endpointId, isGone ? 0 : disableAfterMs, tx)
          if (isOver) await tenancy.events().publish(webhookDisabled, { endpointId }, { tx, subject: `webhook ${endpointId}` })
          return isOver
        })
        if (isDisabled) return
        throw error
      }
      if (endpoint.failingSince !== undefined) await store.succeeded(endpointId)
    },
    { attemptsMax, retryPauseMs },
  )

  const reactions = options.events.map((event) =>
    on(event, async ({ id, type, time, data }, { tx, context }) => {
      const body = JSON.stringify({ type, timestamp: time.toISOString(), data })
      for (const endpointId of await stores.for(context).wanting(type, tx)) {
        await tenancy.jobs().enqueue(job, { endpointId, eventId: id, body }, { tx })
      }
    }),
  )
  return {
    subscriber: eventSubscriber('partywall.webhooks', reactions),
    job,
    disabled: webhookDisabled,
    endpoints: () => {
      const context = tenancy.current()
      if (context.grant !== undefined) throw new BreakGlassRefusedError('A grant opens the tenant’s tables, and sends nothing out of them.')
      return tenantWebhooks({ stores, sender, endpointsMax }, context)
    },
  }
}
