// One use of a grant: what the context of whoever is let in carries, and every door asks. Before each statement the grant is looked at
// again and the statement is recorded; when either fails, nothing is sent.

import { createHash } from 'node:crypto'
import { BreakGlassRefusedError, GrantNotFoundError } from '../errors.ts'
import type { AuditTrail } from './audit-trail.ts'
import { type Grant, usableUntil } from './break-glass.ts'
import type { BreakGlassStore } from './break-glass-store.ts'
import type { Clock } from './clock.ts'
import type { SecretReader } from './secret-reader.ts'
import { type StaffMember, staffPinName } from './staff.ts'
import type { Json, TenantId } from './tenant.ts'

/** The part of a context that makes it one of break-glass. */
export interface GrantUse {
  readonly grantId: string
  readonly tenantId: TenantId
  /** A staff id. */
  readonly staffId: string
  readonly isReadOnly: boolean
  /** Nothing runs after it. */
  readonly endsAt: Date
  readonly reason: string
  readonly ticket: string
  /** @throws {BreakGlassRefusedError} from when on it is expired, revoked, ended, or its people are not what they were. */
  assertUsable(): Promise<void>
  /** The same, and the statement is in the audit trail when it resolves. In the order of the calls. */
  record(statement: string): Promise<void>
}

/** With what a grant is looked at. */
export interface GrantWitnesses {
  readonly store: Pick<BreakGlassStore, 'find' | 'findStaff'>
  /** Where the public keys of staff are pinned. */
  readonly secrets: SecretReader
  readonly auditTrail: AuditTrail
  readonly clock: Clock
}

/** A person, as the catalog and the secret store have them. */
export async function pinnedStaff(
  { store, secrets }: Pick<GrantWitnesses, 'store' | 'secrets'>,
  id: string,
): Promise<{ readonly member: StaffMember | undefined; readonly pin: string | undefined }> {
  const pinName = staffPinName(id)
  // What is remembered of a person who was removed must not open anything.
  secrets.forget?.(pinName)
  const [member, pin] = await Promise.all([store.findStaff(id), secrets.get(pinName)])
  return { member, pin }
}

/**
 * The grant, if it may be used at this moment.
 *
 * @throws {GrantNotFoundError} {@link BreakGlassRefusedError}
 */
export async function findUsable(witnesses: GrantWitnesses, id: string): Promise<{ readonly grant: Grant; readonly endsAt: Date }> {
  const grant = await witnesses.store.find(id)
  if (grant === undefined) throw new GrantNotFoundError(`There is no grant ${id}. See partywall break-glass list.`)
  const requester = await pinnedStaff(witnesses, grant.requestedBy)
  const approver = grant.decidedBy === undefined ? { member: undefined, pin: undefined } : await pinnedStaff(witnesses, grant.decidedBy)
  return { grant, endsAt: usableUntil(grant, { requester, approver }, witnesses.clock.now()) }
}

/** Which statement it was, without what stands in it: the first half of its SHA-256, in hex. */
export function statementFingerprint(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

/** A use that lasts until `end()`. */
export class OpenGrantUse implements GrantUse {
  readonly grantId: string
  readonly tenantId: TenantId
  readonly staffId: string
  readonly isReadOnly: boolean
  readonly endsAt: Date
  readonly reason: string
  readonly ticket: string
  readonly #witnesses: GrantWitnesses
  readonly #requestId: string
  #tail: Promise<void> = Promise.resolve()
  #isOver = false

  constructor(grant: Grant, endsAt: Date, witnesses: GrantWitnesses, requestId: string) {
    this.grantId = grant.id
    this.tenantId = grant.tenantId
    this.staffId = grant.requestedBy
    this.isReadOnly = grant.scope !== 'read_write'
    this.endsAt = endsAt
    this.reason = grant.reason
    this.ticket = grant.ticket
    this.#witnesses = witnesses
    this.#requestId = requestId
  }

  async assertUsable(): Promise<void> {
    if (this.#isOver) throw new BreakGlassRefusedError(`This use of grant ${this.grantId} is over. Open the grant again.`)
    const { grant } = await findUsable(this.#witnesses, this.grantId)
    const isSame =
      grant.tenantId === this.tenantId && grant.requestedBy === this.staffId && (grant.scope === 'read_write') === !this.isReadOnly
    if (!isSame || grant.state !== 'open') throw new BreakGlassRefusedError(`Grant ${this.grantId} is not what was opened.`)
  }

  record(statement: string): Promise<void> {
    const recorded = this.#tail.then(async () => {
      await this.assertUsable()
      await this.note('break_glass.statement', { fingerprint: statementFingerprint(statement) })
    })
    this.#tail = recorded.catch(() => {})
    return recorded
  }

  /**
   * Keeps what happened by the grant. This is the one place through which uses are recorded: with the tenant's id, so that what keeps
   * the tenant's own log can keep it there as well.
   */
  async note(action: string, details: Readonly<Record<string, Json>> = {}): Promise<void> {
    await this.#witnesses.auditTrail.record({
      action,
      outcome: 'allowed',
      actor: { kind: 'staff', id: this.staffId },
      tenantId: this.tenantId,
      requestId: this.#requestId,
      reason: this.reason,
      details: { grant: this.grantId, ticket: this.ticket, until: this.endsAt.toISOString(), ...details },
    })
  }

  /** Nothing runs by this use any more. */
  end(): void {
    this.#isOver = true
  }
}
