// Signatures of Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md), symmetric:
// `v1,` and the base64 of HMAC-SHA-256 over `id.timestamp.body`. Two secrets give two signatures, while one is being changed for the other.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { InvalidInputError, WebhookRefusedError } from '../../errors.ts'

/** What is signed. */
export interface WebhookMessage {
  /** The same at every attempt: whoever receives it knows by it what it has had. */
  readonly id: string
  /** In seconds since 1970: of the attempt. */
  readonly timestamp: number
  readonly body: string
}

/** The headers that a message is sent with. */
export interface WebhookHeaders {
  readonly 'webhook-id': string
  readonly 'webhook-timestamp': string
  readonly 'webhook-signature': string
}

const secretPattern = /^whsec_([A-Za-z0-9+/]{32,88}={0,2})$/
const toleranceSDefault = 300

/** A new secret: `whsec_` and 32 random bytes in base64. */
export function newWebhookSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`
}

/** @throws {InvalidInputError} for a secret that is none. */
export function signWebhook({ id, timestamp, body }: WebhookMessage, secrets: readonly string[]): WebhookHeaders {
  const signatures = secrets.map((secret) => `v1,${signatureOf({ id, timestamp, body }, secret).toString('base64')}`)
  return { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signatures.join(' ') }
}

/**
 * Verifies a webhook as it came, for applications that receive some.
 *
 * @param headers by their lower-case names.
 * @param options `now`: in seconds since 1970; `toleranceS`: how far the timestamp may be from it, default 300.
 * @throws {WebhookRefusedError} when no signature holds, or the timestamp is too far away.
 */
export function verifyWebhook(
  body: string,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  secrets: readonly string[],
  { now, toleranceS = toleranceSDefault }: { readonly now: number; readonly toleranceS?: number | undefined },
): { readonly id: string } {
  const [id, time, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => headers[name])
  if (typeof id !== 'string' || id === '' || typeof time !== 'string' || !/^\d{1,12}$/.test(time) || typeof signatures !== 'string') {
    throw new WebhookRefusedError('The headers of the webhook are not whole.')
  }
  const timestamp = Number(time)
  if (Math.abs(now - timestamp) > toleranceS) throw new WebhookRefusedError('The webhook is of another time.')
  const given = signatures.split(' ').flatMap((text) => (text.startsWith('v1,') ? [Buffer.from(text.slice(3), 'base64')] : []))
  for (const secret of secrets) {
    const wanted = signatureOf({ id, timestamp, body }, secret)
    if (given.some((signature) => signature.byteLength === wanted.byteLength && timingSafeEqual(signature, wanted))) return { id }
  }
  throw new WebhookRefusedError('No signature of the webhook holds.')
}

function signatureOf({ id, timestamp, body }: WebhookMessage, secret: string): Buffer {
  const base64 = secretPattern.exec(secret)?.[1]
  if (base64 === undefined) throw new InvalidInputError('A secret of a webhook is "whsec_" and 24 to 64 bytes in base64.')
  return createHmac('sha256', Buffer.from(base64, 'base64')).update(`${id}.${timestamp}.${body}`).digest()
}
