// Grants, from the request to the end: what people do with them. How one is used is tenancy.breakGlass(); what makes one good is
// core/break-glass.ts. Every act is recorded, and one whose record cannot be written is not done, or opens nothing.

import { type KeyObject, randomUUID } from 'node:crypto'
import type { Actor } from '../core/actor.ts'
import type { AuditTrail } from '../core/audit-trail.ts'
import { assertMayDecide, checkedGrantRequest, type Grant, grantEnd, parseGrantId, soundStaff } from '../core/break-glass.ts'
import { approvalText, type GrantScope, requestText, signText } from '../core/break-glass-documents.ts'
import type { BreakGlassStore, GrantFilter } from '../core/break-glass-store.ts'
import type { Clock } from '../core/clock.ts'
import { pinnedStaff } from '../core/grant-use.ts'
import { noteExpired } from '../core/open-grant.ts'
import type { SecretReader } from '../core/secret-reader.ts'
import { parsePrivateKey, parseStaffId, publicTextOf } from '../core/staff.ts'
import type { TenantId } from '../core/tenant.ts'
import { BreakGlassRefusedError, GrantNotFoundError } from '../errors.ts'

/** Who of the staff does it, and the private key that shows it, as PEM (PKCS #8). */
export interface StaffSigner {
  readonly staff: string
  readonly key: string
}

/** What is asked for. */
export interface GrantWish {
  readonly tenantId: TenantId
  /** At least ten characters. The tenant will read it. */
  readonly reason: string
  readonly ticket: string
  /** 1 to 240, from the approval on. */
  readonly minutes: number
  /** Default `read_only`. */
  readonly scope?: GrantScope | undefined
}

interface BreakGlassOptions {
  readonly store: BreakGlassStore
  readonly secrets: SecretReader
  readonly auditTrail: AuditTrail
  readonly clock: Clock
  /** Takes back what the grant has in the tenant's own database. */
  readonly revokeCapabilities: (grant: Grant) => Promise<void>
}

export class BreakGlass {
  readonly #options: BreakGlassOptions

  /** @internal */
  constructor(options: BreakGlassOptions) {
    this.#options = options
  }

  /**
   * Asks for a grant. It opens nothing until somebody else approves it.
   *
   * @throws {InvalidInputError} for what is out of bounds; {@link BreakGlassRefusedError} when the key is not that person's.
   */
  async request(wish: GrantWish, signer: StaffSigner): Promise<Grant> {
    const { store, clock } = this.#options
    const key = await this.#signing(signer)
    const request = checkedGrantRequest({
      ...wish,
      scope: wish.scope ?? 'read_only',
      id: randomUUID(),
      requestedBy: signer.staff,
      requestedAt: new Date(clock.now()),
    })
    const signed = { ...request, requestSignature: signText(key, requestText(request)) }
    await this.#record(
      'request',
      signed,
      { kind: 'staff', id: signer.staff },
      { minutes: request.minutes, signature: signed.requestSignature },
    )
    await store.request(signed)
    return await this.get(request.id)
  }

  /**
   * Lets the one who asked in, from now on for the minutes that were asked for.
   *
   * @throws {BreakGlassRefusedError} when it is one's own, decided already, older than a day, or not as it was signed.
   */
  async approve(id: string, signer: StaffSigner): Promise<Grant> {
    return await this.#decide(id, 'approved', signer)
  }

  /** Answers no. @throws {BreakGlassRefusedError} as {@link approve} does. */
  async deny(id: string, signer: StaffSigner): Promise<Grant> {
    return await this.#decide(id, 'denied', signer)
  }

  /**
   * Takes a grant back, at once: whoever is inside is refused from the next statement on. Anybody at the control plane may, without a key.
   *
   * @throws {BreakGlassRefusedError} when there is nothing to take back.
   */
  async revoke(id: string, actor: Actor): Promise<Grant> {
    const grant = await this.get(id)
    // The catalog first: who asks for a capability meanwhile asks the catalog before.
    if (!(await this.#options.store.revoke(grant.id, actor.id)))
      throw new BreakGlassRefusedError(`Grant ${grant.id} is ${grant.state} already.`)
    await this.#options.revokeCapabilities(grant)
    await this.#record('revoke', grant, actor)
    return await this.get(id)
  }

  /** Gives a grant back before its time, by who has it. @throws {BreakGlassRefusedError} when it is not open, or not theirs. */
  async end(id: string, signer: StaffSigner): Promise<Grant> {
    await this.#signing(signer)
    const grant = await this.get(id)
    if (grant.requestedBy !== signer.staff) throw new BreakGlassRefusedError(`Grant ${grant.id} is ${grant.requestedBy}'s.`)
    if (!(await this.#options.store.advance(grant.id, 'ended', signer.staff))) {
      throw new BreakGlassRefusedError(`Grant ${grant.id} is ${grant.state}, not open.`)
    }
    await this.#options.revokeCapabilities(grant)
    await this.#record('end', grant, { kind: 'staff', id: signer.staff })
    return await this.get(id)
  }

  /** Grants, the newest first. What is over is said to be so, and recorded, when it is found here. */
  async list(filter: GrantFilter = {}): Promise<readonly Grant[]> {
    const { store } = this.#options
    const grants: Grant[] = []
    for (const grant of await store.list(filter)) {
      const isLive = grant.state === 'requested' || grant.state === 'approved' || grant.state === 'open'
      const isOver = isLive && (await store.advance(grant.id, 'expired', 'partywall'))
      if (isOver) {
        await this.#options.revokeCapabilities(grant)
        await noteExpired(this.#options, grant.id)
      }
      if (!isOver) grants.push(grant)
      else if (filter.isLive !== true) grants.push(await this.get(grant.id))
    }
    return grants
  }

  /** @throws {GrantNotFoundError} {@link InvalidInputError} */
  async get(id: string): Promise<Grant> {
    const grant = await this.#options.store.find(parseGrantId(id))
    if (grant === undefined) throw new GrantNotFoundError(`There is no grant ${id}. See partywall break-glass list.`)
    return grant
  }

  async #decide(id: string, kind: 'approved' | 'denied', signer: StaffSigner): Promise<Grant> {
    const { store, clock } = this.#options
    const grant = await this.get(id)
    const key = await this.#signing(signer)
    const decider = soundStaff(signer.staff, await pinnedStaff(this.#options, signer.staff))
    const at = new Date(clock.now())
    assertMayDecide(grant, decider, await pinnedStaff(this.#options, grant.requestedBy), at.getTime())
    const decision = { kind, by: decider.id, at, requestSignature: grant.requestSignature }
    const signature = signText(key, approvalText(grant, decision))
    const expiresAt = kind === 'approved' ? grantEnd(grant.minutes, at) : undefined
    await this.#record(kind === 'approved' ? 'approve' : 'deny', grant, { kind: 'staff', id: decider.id }, { signature })
    if (!(await store.decide(grant.id, { ...decision, signature }, expiresAt))) {
      throw new BreakGlassRefusedError(`Grant ${grant.id} was decided on meanwhile.`)
    }
    return await this.get(id)
  }

  /** The key, if it is that person's. */
  async #signing({ staff, key: pem }: StaffSigner): Promise<KeyObject> {
    const key = parsePrivateKey(pem)
    const member = soundStaff(staff, await pinnedStaff(this.#options, parseStaffId(staff)))
    if (publicTextOf(key) !== member.publicKey) throw new BreakGlassRefusedError(`That is not the key of ${staff}.`)
    return key
  }

  async #record(
    act: string,
    grant: Pick<Grant, 'id' | 'tenantId' | 'scope' | 'ticket' | 'reason'>,
    actor: Actor,
    details: Readonly<Record<string, string | number>> = {},
  ): Promise<void> {
    await this.#options.auditTrail.record({
      action: `break_glass.${act}`,
      outcome: 'allowed',
      actor,
      tenantId: grant.tenantId,
      requestId: undefined,
      reason: grant.reason,
      details: { grant: grant.id, ticket: grant.ticket, scope: grant.scope, ...details },
    })
  }
}
