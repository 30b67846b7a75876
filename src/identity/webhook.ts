// Webhooks of other systems: no token, but an HMAC over a timestamp and the body, with a secret of the tenant's own.
// Header: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`, v1 once for each secret while they rotate.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { type Clock, systemClock } from '../core/clock.ts'
import type { HintReader } from '../core/hints.ts'
import { type HttpRequest, headerValues } from '../core/http-request.ts'
import type { IdentityProvider } from '../core/identity.ts'
import type { ParsedTenantRef, TenantId } from '../core/tenant.ts'
import { ConfigurationError, InvalidIdentityError, OverloadedError, TenantBusyError } from '../errors.ts'

export interface WebhookOptions {
  /** Says which tenant's endpoint this is, e.g. `path('/webhooks/:tenant')`. Where it says nothing, there is no webhook. */
  readonly endpoint: HintReader
  /** That endpoint's tenant and secrets, or undefined for an unknown one. */
  readonly find: (tenant: ParsedTenantRef) => WebhookEndpoint | undefined | Promise<WebhookEndpoint | undefined>
  /** Default `webhook-signature`. */
  readonly headerName?: string | undefined
  /** How far the timestamp may be off, either way. Default 300; at most 3,600. */
  readonly toleranceSec?: number | undefined
  /** Default: in this process's memory. With several processes, share one, or make the receiver idempotent by event id. */
  readonly replays?: ReplayMemory | undefined
  readonly clock?: Clock | undefined
}

/** Where one tenant's webhooks arrive. */
export interface WebhookEndpoint {
  readonly tenantId: TenantId
  /** At least one and at most eight, of at least 32 characters each; several while they rotate. */
  readonly secrets: readonly [string, ...string[]]
}

/** Remembers messages until their time window has passed. */
export interface ReplayMemory {
  /** @returns false when the tenant's message has been claimed before. */
  claim(tenantId: TenantId, message: string, expiresAtMs: number): boolean | Promise<boolean>
}

const headerLengthMax = 1_024
const signaturesMax = 8
const secretsMax = 8
const secretLengthMin = 32
const dummySecret = 'no tenant has this secret, but the work is the same'

/** Identities from signed webhooks. The raw body is read before anything parses it. */
export function webhook(options: WebhookOptions): IdentityProvider {
  const clock = options.clock ?? systemClock
  const toleranceSec = options.toleranceSec ?? 300
  if (!(toleranceSec >= 1 && toleranceSec <= 3_600)) throw new ConfigurationError(`toleranceSec is ${toleranceSec}; it must be 1 to 3,600.`)
  const replays = options.replays ?? new MemoryReplays({ clock })
  const headerName = (options.headerName ?? 'webhook-signature').toLowerCase()
  const isOurs = (request: HttpRequest) => headerValues(request, headerName).length > 0 && options.endpoint(request) !== undefined
  return {
    readsBody: isOurs,
    async identify(request) {
      if (!isOurs(request)) return undefined
      const tenant = options.endpoint(request)?.lookup
      if (tenant === undefined || tenant.kind === 'domain') {
        throw new ConfigurationError('A webhook endpoint names its tenant by id or slug: use path() or subdomain().')
      }
      if (request.body === undefined) throw new ConfigurationError('A webhook cannot be verified without its raw body.')
      const { timestamp, signatures } = parseSignature(headerValues(request, headerName))
      const nowSec = clock.now() / 1000
      if (Math.abs(nowSec - timestamp) > toleranceSec) throw new InvalidIdentityError('The webhook is too old, or from the future.')
      const found = await options.find(tenant)
      if (found !== undefined) checkSecrets(found.secrets)
      const good = isSigned(found?.secrets ?? [dummySecret], timestamp, request.body, signatures)
      if (!good || found === undefined) throw new InvalidIdentityError('The signature of the webhook is wrong.')
      // The message, not its signature: while secrets rotate one message has several good signatures.
      const message = createHash('sha256').update(`${timestamp}.`).update(request.body).digest('base64url')
      if (!(await replays.claim(found.tenantId, message, (timestamp + toleranceSec) * 1000))) {
        throw new InvalidIdentityError('The webhook was received before.')
      }
      return { actor: { kind: 'service', id: 'webhook' }, memberships: [{ kind: 'id', id: found.tenantId }], method: 'webhook' }
    },
  }
}

/** The signature header for a body: for senders, and for tests. */
export function signWebhook(options: {
  readonly secret: string
  readonly body: string | Uint8Array
  readonly timestampSec: number
}): string {
  return `t=${options.timestampSec},v1=${sign(options.secret, options.timestampSec, options.body).toString('hex')}`
}

function sign(secret: string, timestamp: number, body: string | Uint8Array): Buffer {
  return createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest()
}

function parseSignature(values: readonly string[]): { readonly timestamp: number; readonly signatures: readonly Buffer[] } {
  const [value = '', ...more] = values
  if (more.length > 0 || value.length > headerLengthMax)
    throw new InvalidIdentityError('The signature header is given twice, or is too long.')
  const parts = value.split(',').map((part) => part.trim())
  const timestamps = parts.filter((part) => /^t=[1-9][0-9]{0,11}$/.test(part))
  const signatures = parts.filter((part) => /^v1=[0-9a-f]{64}$/.test(part))
  if (timestamps.length !== 1 || signatures.length === 0 || signatures.length > signaturesMax) {
    throw new InvalidIdentityError('The signature header is malformed.')
  }
  return { timestamp: Number((timestamps[0] as string).slice(2)), signatures: signatures.map((part) => Buffer.from(part.slice(3), 'hex')) }
}

function checkSecrets(secrets: readonly string[]): void {
  if (secrets.length === 0 || secrets.length > secretsMax || secrets.some((secret) => secret.length < secretLengthMin)) {
    throw new ConfigurationError(`A webhook endpoint has 1 to ${secretsMax} secrets of at least ${secretLengthMin} characters.`)
  }
}

/** Every pair is compared, so that the time says nothing of which one fits. */
function isSigned(secrets: readonly string[], timestamp: number, body: Uint8Array, signatures: readonly Buffer[]): boolean {
  let good = false
  for (const secret of secrets) {
    const expected = sign(secret, timestamp, body)
    for (const signature of signatures) if (timingSafeEqual(expected, signature)) good = true
  }
  return good
}

/** Messages in this process's memory, bounded for each tenant and in all: full means refused, never forgotten too early. */
export class MemoryReplays implements ReplayMemory {
  readonly #seen = new Map<TenantId, Map<string, number>>()
  readonly #clock: Clock
  readonly #perTenantMax: number
  readonly #totalMax: number
  #total = 0
  #sweptAt = Number.NEGATIVE_INFINITY

  constructor(
    options: {
      readonly clock?: Clock | undefined
      readonly perTenantMax?: number | undefined
      readonly totalMax?: number | undefined
    } = {},
  ) {
    this.#clock = options.clock ?? systemClock
    this.#perTenantMax = options.perTenantMax ?? 10_000
    this.#totalMax = options.totalMax ?? 100_000
  }

  /**
   * @throws {TenantBusyError} when this tenant has sent as many as may be remembered within the window.
   * @throws {OverloadedError} when all tenants together have.
   */
  claim(tenantId: TenantId, message: string, expiresAtMs: number): boolean {
    if (this.#seen.get(tenantId)?.has(message)) return false
    if ((this.#seen.get(tenantId)?.size ?? 0) >= this.#perTenantMax || this.#total >= this.#totalMax) this.#sweep()
    const mine = this.#seen.get(tenantId) ?? new Map<string, number>()
    if (mine.size >= this.#perTenantMax) throw new TenantBusyError(`More than ${this.#perTenantMax} webhooks within the time window.`)
    if (this.#total >= this.#totalMax) throw new OverloadedError(`More than ${this.#totalMax} webhooks within the time window.`)
    mine.set(message, expiresAtMs)
    this.#seen.set(tenantId, mine)
    this.#total += 1
    return true
  }

  /** At most once a second: when it is full, a flood must not also pay for a sweep each. */
  #sweep(): void {
    const now = this.#clock.now()
    if (Math.abs(now - this.#sweptAt) < 1_000) return
    this.#sweptAt = now
    for (const [tenantId, messages] of this.#seen) {
      for (const [message, expiresAtMs] of messages) {
        if (expiresAtMs > now) continue
        messages.delete(message)
        this.#total -= 1
      }
      if (messages.size === 0) this.#seen.delete(tenantId)
    }
  }
}
