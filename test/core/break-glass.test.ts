import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Grant, grantEnd, type PinnedStaff, usableUntil } from '../../src/core/break-glass.ts'
import { approvalText, requestText, signText } from '../../src/core/break-glass-documents.ts'
import { newStaffKey, parsePrivateKey } from '../../src/core/staff.ts'
import type { TenantId } from '../../src/core/tenant.ts'
import { BreakGlassRefusedError } from '../../src/errors.ts'

const ids = ['ada', 'grace', 'linus'] as const
type Id = (typeof ids)[number]
const keys = Object.fromEntries(ids.map((id) => [id, newStaffKey()])) as Record<Id, ReturnType<typeof newStaffKey>>
const start = Date.UTC(2026, 0, 1)

/** What may be done to a grant between its signing and its use. */
const mostly = <T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(usual, ...others) })
const world = fc.record({
  asker: mostly<Id>('ada', ...ids),
  decider: mostly<Id>('grace', ...ids),
  signer: mostly<Id>('grace', ...ids),
  decision: mostly<'approved' | 'denied' | undefined>('approved', 'denied', undefined),
  state: mostly<Grant['state']>('open', 'requested', 'approved', 'denied', 'ended', 'expired', 'revoked'),
  minutes: fc.integer({ min: 1, max: 240 }),
  afterMs: fc.integer({ min: -120_000, max: 250 * 60_000 }),
  removed: mostly<Id | undefined>(undefined, ...ids),
  unpinned: mostly<Id | undefined>(undefined, ...ids),
  edit: mostly(undefined, 'tenantId', 'scope', 'minutes', 'reason', 'ticket', 'id', 'expiresAt'),
})

test('a grant is usable only while it is as it was signed, approved by another, and not over', () => {
  let usable = 0
  fc.assert(
    fc.property(world, (w) => {
      const requestedAt = new Date(start)
      const decidedAt = new Date(start + 1_000)
      const request = {
        id: '0b5c1d9e-3f4a-4c55-9a57-5d6f0b6f3c11',
        tenantId: '01900000-0000-7000-8000-000000000001' as TenantId,
        scope: 'read_only' as const,
        minutes: w.minutes,
        reason: 'The invoice of May is missing',
        ticket: 'SUP-4711',
        requestedBy: w.asker,
        requestedAt,
      }
      const requestSignature = signText(parsePrivateKey(keys[w.asker].privateKey), requestText(request))
      const kind = w.decision ?? 'approved'
      const text = approvalText(request, { kind, by: w.decider, at: decidedAt, requestSignature })
      const signed: Grant = {
        ...request,
        state: w.state,
        requestSignature,
        decidedBy: w.decision && w.decider,
        decidedAt: w.decision && decidedAt,
        decisionSignature: w.decision && signText(parsePrivateKey(keys[w.signer].privateKey), text),
        expiresAt: w.decision && grantEnd(w.minutes, decidedAt),
        openedAt: undefined,
        endedAt: undefined,
        endedBy: undefined,
      }
      const now = decidedAt.getTime() + w.afterMs
      const isGood =
        (w.state === 'approved' || w.state === 'open') &&
        w.decision === 'approved' &&
        w.decider !== w.asker &&
        w.signer === w.decider &&
        w.edit === undefined &&
        ![w.asker, w.decider].some((id) => id === w.removed || id === w.unpinned) &&
        w.afterMs >= -60_000 &&
        w.afterMs < w.minutes * 60_000
      const staff = (id: Id): PinnedStaff => pinned(id, w.removed === id, w.unpinned !== id)
      const look = () => usableUntil(edited(signed, w.edit), { requester: staff(w.asker), approver: staff(w.decider) }, now)
      if (isGood) {
        assert.equal(look().getTime(), decidedAt.getTime() + w.minutes * 60_000)
        usable += 1
      } else assert.throws(look, BreakGlassRefusedError)
    }),
    { numRuns: 3_000, seed: 4711 },
  )
  assert.ok(usable > 10, `${usable} were usable: a property that nothing fulfils says nothing`)
})

test('one person under two names is one person', () => {
  const [one, other] = [pinned('ada', false, true), pinned('ada', false, true)]
  const twin: PinnedStaff = { ...other, member: { ...other.member!, id: 'grace' } }
  const request = {
    id: '0b5c1d9e-3f4a-4c55-9a57-5d6f0b6f3c11',
    tenantId: '01900000-0000-7000-8000-000000000001' as TenantId,
    scope: 'read_only' as const,
    minutes: 5,
    reason: 'The invoice of May is missing',
    ticket: 'SUP-4711',
    requestedBy: 'ada',
    requestedAt: new Date(start),
  }
  const key = parsePrivateKey(keys.ada.privateKey)
  const requestSignature = signText(key, requestText(request))
  const decidedAt = new Date(start)
  const decisionSignature = signText(key, approvalText(request, { kind: 'approved', by: 'grace', at: decidedAt, requestSignature }))
  const grant: Grant = {
    ...request,
    ...{ state: 'approved', requestSignature, decidedBy: 'grace', decidedAt, decisionSignature, expiresAt: grantEnd(5, decidedAt) },
    ...{ openedAt: undefined, endedAt: undefined, endedBy: undefined },
  }
  assert.throws(() => usableUntil(grant, { requester: one, approver: twin }, start), /Nobody decides on what they asked for themselves/)
})

function pinned(id: Id, isRemoved: boolean, isPinned: boolean): PinnedStaff {
  const { publicKey } = keys[id]
  const removedAt = isRemoved ? new Date(start) : undefined
  return {
    member: { id, name: id, publicKey, addedBy: 'operator', addedAt: new Date(start), removedAt },
    pin: isPinned ? publicKey : undefined,
  }
}

function edited(grant: Grant, field: string | undefined): Grant {
  switch (field) {
    case 'tenantId':
      return { ...grant, tenantId: '01900000-0000-7000-8000-000000000002' as TenantId }
    case 'scope':
      return { ...grant, scope: 'read_write' }
    case 'minutes':
      return { ...grant, minutes: grant.minutes === 1 ? 2 : grant.minutes - 1 }
    case 'expiresAt':
      return { ...grant, expiresAt: new Date(start + 400 * 60_000) }
    case 'id':
      return { ...grant, id: '0b5c1d9e-3f4a-4c55-9a57-5d6f0b6f3c12' }
    case 'reason':
      return { ...grant, reason: 'Something quite different' }
    case 'ticket':
      return { ...grant, ticket: 'SUP-1' }
    default:
      return grant
  }
}
