// An audit event, checked before either adapter sees it. A trail that can be made to swallow or to choke on an event is no
// trail: texts are cut to their bound and cleaned instead of refused, since a refused event would refuse the act.

import { InvalidInputError } from '../errors.ts'
import type { AuditEvent } from './audit-trail.ts'
import type { Json } from './tenant.ts'

/** Longest `action`. */
export const auditActionLengthMax = 100
/** Longest `reason`, actor id and request id: the rest is cut off. */
export const auditTextLengthMax = 1_000
/** Longest `details`, serialised. */
export const auditDetailsLengthMax = 16_384

const actionPattern = /^[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*$/

/**
 * A frozen copy of the event, fit for storage.
 *
 * @throws {InvalidInputError} when the action is not of the form `area.what_happened`, or the details are too long.
 */
export function checkedAuditEvent(event: AuditEvent): AuditEvent {
  if (typeof event.action !== 'string' || event.action.length > auditActionLengthMax || !actionPattern.test(event.action)) {
    throw new InvalidInputError('An audit action has the form area.what_happened.')
  }
  if (event.outcome !== 'allowed' && event.outcome !== 'refused') throw new InvalidInputError('An audit outcome is allowed or refused.')
  return Object.freeze({
    action: event.action,
    outcome: event.outcome,
    actor: event.actor && Object.freeze({ kind: event.actor.kind, id: storable(event.actor.id) }),
    tenantId: event.tenantId,
    requestId: event.requestId === undefined ? undefined : storable(event.requestId),
    reason: event.reason === undefined ? undefined : storable(event.reason),
    ...(event.details !== undefined && { details: storableDetails(event.details) }),
  })
}

/** Well-formed, without NUL (PostgreSQL has none), bounded. */
function storable(text: string): string {
  return text.slice(0, auditTextLengthMax).toWellFormed().replaceAll('\0', '\uFFFD')
}

function storableDetails(details: Readonly<Record<string, Json>>): Readonly<Record<string, Json>> {
  const text = JSON.stringify(details, (_key, value: unknown) => (typeof value === 'string' ? storable(value) : value))
  if (text.length > auditDetailsLengthMax) {
    throw new InvalidInputError(`The details of an audit event are longer than ${auditDetailsLengthMax} characters of JSON.`)
  }
  return Object.freeze(JSON.parse(text) as Record<string, Json>)
}
