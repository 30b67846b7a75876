// What people sign. A text says what it is for (so that a signature under one kind of document is worth nothing under another), has its
// fields in one fixed order, and is the same for whoever writes it: JSON of an array has no other spelling here.

import { type KeyObject, sign, verify } from 'node:crypto'
import { publicKeyOf } from './staff.ts'
import type { TenantId } from './tenant.ts'

export const grantScopes = ['read_only', 'read_write'] as const
/** What a grant lets one do. */
export type GrantScope = (typeof grantScopes)[number]

/** What is asked for. */
export interface GrantRequest {
  readonly id: string
  readonly tenantId: TenantId
  readonly scope: GrantScope
  /** How long it lasts from its approval on: 1 to 240. */
  readonly minutes: number
  readonly reason: string
  readonly ticket: string
  /** A staff id. */
  readonly requestedBy: string
  readonly requestedAt: Date
}

/** An answer to a request. */
export interface Decision {
  readonly kind: 'approved' | 'denied'
  /** A staff id. */
  readonly by: string
  readonly at: Date
  /** Of the request that is answered: an approval of one text is none of another with the same id. */
  readonly requestSignature: string
}

/** A new use of a grant. */
export interface Opening {
  readonly grantId: string
  /** A staff id. */
  readonly by: string
  readonly at: Date
}

/** What who asks signs. */
export function requestText(request: GrantRequest): string {
  return document('request', requestFields(request))
}

/** What who approves or denies signs: all of the request again, so that it can be read by itself. */
export function approvalText(request: GrantRequest, { kind, by, at, requestSignature }: Decision): string {
  return document(kind === 'approved' ? 'approval' : 'denial', [...requestFields(request), requestSignature, by, timeText(at)])
}

/** What who uses a grant signs, each time: kept in the audit trail. */
export function openingText({ grantId, by, at }: Opening): string {
  return document('opening', [grantId, by, timeText(at)])
}

/** An Ed25519 signature (RFC 8032), base64url. */
export function signText(privateKey: KeyObject, text: string): string {
  return sign(null, Buffer.from(text, 'utf8'), privateKey).toString('base64url')
}

/** Never throws: what cannot be read is not signed. */
export function isSignedBy(publicKey: string, text: string, signature: string): boolean {
  try {
    const bytes = Buffer.from(signature, 'base64url')
    // One signature has one spelling.
    return bytes.toString('base64url') === signature && verify(null, Buffer.from(text, 'utf8'), publicKeyOf(publicKey), bytes)
  } catch {
    return false
  }
}

function requestFields(request: GrantRequest): readonly (string | number)[] {
  const { id, tenantId, scope, minutes, reason, ticket, requestedBy, requestedAt } = request
  return [id, tenantId, scope, minutes, reason, ticket, requestedBy, timeText(requestedAt)]
}

/** A time that is none has a text that nobody signs. */
function timeText(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'never' : date.toISOString()
}

function document(kind: 'request' | 'approval' | 'denial' | 'opening', fields: readonly (string | number)[]): string {
  return JSON.stringify([`partywall break-glass ${kind} v1`, ...fields])
}
