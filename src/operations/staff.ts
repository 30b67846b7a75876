// Who is of the staff: in the catalog, and in the secret store. A key that is in one of the two alone opens nothing.

import type { Actor } from '../core/actor.ts'
import type { AuditTrail } from '../core/audit-trail.ts'
import type { BreakGlassStore } from '../core/break-glass-store.ts'
import type { SecretStore } from '../core/secret-store.ts'
import { parsePublicKey, parseStaffId, parseStaffName, type StaffMember, staffPinName } from '../core/staff.ts'
import { GrantNotFoundError } from '../errors.ts'

/** A person to be added. */
export interface NewStaff {
  /** 1 to 63 of a-z, 0-9, - and _. Never used again. */
  readonly id: string
  readonly name: string
  /** As `partywall staff key` printed it for them. */
  readonly publicKey: string
}

interface StaffOptions {
  readonly store: BreakGlassStore
  readonly secrets: SecretStore
  readonly auditTrail: AuditTrail
}

export class Staff {
  readonly #options: StaffOptions

  /** @internal */
  constructor(options: StaffOptions) {
    this.#options = options
  }

  /** @throws {InvalidInputError} {@link ConstraintError} when the id or the key was somebody's; {@link SecretStoreError}. */
  async add(staff: NewStaff, actor: Actor): Promise<StaffMember> {
    const { store, secrets } = this.#options
    const [id, name, publicKey] = [parseStaffId(staff.id), parseStaffName(staff.name), parsePublicKey(staff.publicKey)]
    await this.#record('staff.add', actor, { staff: id, publicKey })
    await store.addStaff({ id, name, publicKey, addedBy: actor.id })
    await secrets.put(staffPinName(id), publicKey)
    return (await store.findStaff(id))!
  }

  /** Everybody, those who were removed as well. */
  async list(): Promise<readonly StaffMember[]> {
    return await this.#options.store.listStaff()
  }

  /** From the next statement on, no grant that this person asked for or approved is any good. @throws {GrantNotFoundError} */
  async remove(id: string, actor: Actor): Promise<void> {
    const { store, secrets } = this.#options
    const staff = parseStaffId(id)
    if ((await store.findStaff(staff)) === undefined) throw new GrantNotFoundError(`Nobody of the staff is called ${staff}.`)
    await store.removeStaff(staff)
    await secrets.delete(staffPinName(staff))
    await this.#record('staff.remove', actor, { staff })
  }

  async #record(action: string, actor: Actor, details: Readonly<Record<string, string>>): Promise<void> {
    await this.#options.auditTrail.record({
      action,
      outcome: 'allowed',
      actor,
      tenantId: undefined,
      requestId: undefined,
      reason: undefined,
      details,
    })
  }
}
