// Break-glass: the one way for staff to a tenant's data. A grant is for one tenant, asked for by one person and approved by another,
// for reading unless it says more, and over by itself after minutes.
//
//   requested ──▶ approved ──▶ open ──▶ ended         given back by who had it
//       │  │          │         │ └───▶ expired       its minutes are over
//       │  └▶ denied  └─────────┴─────▶ revoked       taken back by anybody of the staff
//       └───▶ expired                                 nobody answered in a day
//
// The state is the catalog's, and whoever can write the catalog can write it. What opens a tenant's data is therefore not the state:
// at every use the signatures of both people are checked against keys that the catalog does not hold (usableUntil, below).

import { BreakGlassRefusedError, InvalidInputError } from '../errors.ts'
import { approvalText, type Decision, type GrantRequest, grantScopes, isSignedBy, requestText } from './break-glass-documents.ts'
import type { StaffMember } from './staff.ts'

/** How a grant stands. */
export type GrantState = 'requested' | 'approved' | 'denied' | 'open' | 'ended' | 'expired' | 'revoked'

/** A grant, as the catalog has it. */
export interface Grant extends GrantRequest {
  readonly state: GrantState
  readonly requestSignature: string
  /** Who approved or denied it. */
  readonly decidedBy: string | undefined
  readonly decidedAt: Date | undefined
  readonly decisionSignature: string | undefined
  /** Of one that was approved: when it is over. */
  readonly expiresAt: Date | undefined
  readonly openedAt: Date | undefined
  readonly endedAt: Date | undefined
  readonly endedBy: string | undefined
}

/** A person, with the key that the secret store has for them; undefined where it has none. */
export interface PinnedStaff {
  readonly member: StaffMember | undefined
  readonly pin: string | undefined
}

/** Longest life of a grant, in minutes. */
export const grantMinutesMax = 240
/** So long a request waits for an answer, in milliseconds. */
export const requestLifeMs = 86_400_000
/** So far the clocks of two processes may be apart, in milliseconds. */
export const clockSkewMs = 60_000
const reasonLengthMin = 10
const reasonLengthMax = 1_000
const ticketLengthMax = 200
const idPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** @throws {InvalidInputError} when it is no grant's id. */
export function parseGrantId(text: string): string {
  if (typeof text === 'string' && idPattern.test(text)) return text
  throw new InvalidInputError('The id of a grant is a uuid in lower case, as partywall break-glass list shows it.')
}

/** @throws {InvalidInputError} when something of it is out of bounds; it says what. */
export function checkedGrantRequest(request: GrantRequest): GrantRequest {
  const { minutes, scope, reason, ticket } = request
  parseGrantId(request.id)
  if (!grantScopes.includes(scope)) throw new InvalidInputError(`The scope of a grant is ${grantScopes.join(' or ')}.`)
  if (!Number.isInteger(minutes) || minutes < 1 || minutes > grantMinutesMax) {
    throw new InvalidInputError(`A grant lasts 1 to ${grantMinutesMax} minutes.`)
  }
  assertStorable('reason', reason, { min: reasonLengthMin, max: reasonLengthMax })
  assertStorable('ticket', ticket, { min: 1, max: ticketLengthMax })
  return Object.freeze({ ...request })
}

function assertStorable(what: string, text: string, { min, max }: { readonly min: number; readonly max: number }): void {
  const isText = typeof text === 'string' && text.isWellFormed() && !text.includes('\0')
  if (isText && text.trim().length >= min && text.length <= max) return
  throw new InvalidInputError(`The ${what} of a grant has ${min} to ${max} characters: the tenant will read it.`)
}

/** When a grant that is approved at `decidedAt` is over. */
export function grantEnd(minutes: number, decidedAt: Date): Date {
  return new Date(decidedAt.getTime() + minutes * 60_000)
}

/** Whoever is looked at as a member of the staff: not removed, and with the key that is in the secret store. @throws {BreakGlassRefusedError} */
export function soundStaff(id: string, { member, pin }: PinnedStaff): StaffMember {
  const refused = (why: string): BreakGlassRefusedError => new BreakGlassRefusedError(`${why} See partywall staff list.`)
  if (member === undefined || member.id !== id) throw refused(`Nobody of the staff is called ${id}.`)
  if (member.removedAt !== undefined) throw refused(`${id} is not of the staff any more.`)
  if (pin === undefined || pin !== member.publicKey) {
    throw refused(`The catalog's key of ${id} is not the one in the secret store: it opens nothing.`)
  }
  return member
}

/** May this person answer that request now? @throws {BreakGlassRefusedError} */
export function assertMayDecide(grant: Grant, decider: StaffMember, requester: PinnedStaff, now: number): void {
  const asking = soundStaff(grant.requestedBy, requester)
  assertOtherPerson(asking, decider)
  if (grant.state !== 'requested') throw new BreakGlassRefusedError(`Grant ${grant.id} is ${grant.state} already.`)
  assertRequestSigned(grant, asking)
  assertTime(grant.requestedAt.getTime(), now, requestLifeMs, `Request ${grant.id} is older than a day. Ask again.`)
}

/** Who signs what of a grant, besides the one who uses it. */
export interface GrantStaff {
  readonly requester: PinnedStaff
  readonly approver: PinnedStaff
}

/**
 * May the grant be used at this moment? It believes the catalog in nothing that opens: not in the state, nor in who is staff.
 *
 * @returns when it is over.
 * @throws {BreakGlassRefusedError} it says why.
 */
export function usableUntil(grant: Grant, { requester, approver }: GrantStaff, now: number): Date {
  const { id, state, decidedBy, decidedAt, decisionSignature, expiresAt } = grant
  if (state !== 'approved' && state !== 'open') throw new BreakGlassRefusedError(`Grant ${id} is ${state}: it opens nothing.`)
  if (decidedBy === undefined || decidedAt === undefined || decisionSignature === undefined || expiresAt === undefined) {
    throw new BreakGlassRefusedError(`Grant ${id} was approved by nobody.`)
  }
  checkedGrantRequest(grant)
  const asking = soundStaff(grant.requestedBy, requester)
  const approving = soundStaff(decidedBy, approver)
  assertOtherPerson(asking, approving)
  assertRequestSigned(grant, asking)
  const decision: Decision = { kind: 'approved', by: decidedBy, at: decidedAt, requestSignature: grant.requestSignature }
  if (!isSignedBy(approving.publicKey, approvalText(grant, decision), decisionSignature)) {
    throw new BreakGlassRefusedError(`Grant ${id} does not have the signature of ${decidedBy}: something in it was changed, or made up.`)
  }
  // What was signed is the moment of approval and the minutes; when it is over follows from them, whatever the row says.
  const end = grantEnd(grant.minutes, decidedAt)
  if (end.getTime() !== expiresAt.getTime()) throw new BreakGlassRefusedError(`The end of grant ${id} is not the one that was signed.`)
  assertTime(
    grant.requestedAt.getTime(),
    decidedAt.getTime(),
    requestLifeMs,
    `Grant ${id} was approved more than a day after it was asked for.`,
  )
  assertTime(decidedAt.getTime(), now, end.getTime() - decidedAt.getTime(), `Grant ${id} has expired.`)
  return end
}

function assertOtherPerson(one: StaffMember, other: StaffMember): void {
  if (one.id !== other.id && one.publicKey !== other.publicKey) return
  throw new BreakGlassRefusedError('Nobody decides on what they asked for themselves: somebody else has to.')
}

function assertRequestSigned(grant: Grant, requester: StaffMember): void {
  if (isSignedBy(requester.publicKey, requestText(grant), grant.requestSignature)) return
  throw new BreakGlassRefusedError(
    `Request ${grant.id} does not have the signature of ${grant.requestedBy}: something in it was changed, or made up.`,
  )
}

/** Is `now` after `from`, but for the clocks, and no later than `lifeMs` behind it? What has no number for a time is over. */
function assertTime(from: number, now: number, lifeMs: number, over: string): void {
  if (now < from - clockSkewMs) throw new BreakGlassRefusedError('A time in it is in the future: somebody’s clock is wrong.')
  if (!(now < from + lifeMs)) throw new BreakGlassRefusedError(over)
}
