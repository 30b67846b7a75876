// The port through which grants and staff are kept. What it says is believed only as far as signatures go (core/break-glass.ts).

import type { Grant } from './break-glass.ts'
import type { Decision, GrantRequest } from './break-glass-documents.ts'
import type { StaffMember } from './staff.ts'
import type { TenantId } from './tenant.ts'

/** A request with its signature. */
export interface SignedRequest extends GrantRequest {
  readonly requestSignature: string
}

/** A decision with its signature. */
export interface SignedDecision extends Decision {
  readonly signature: string
}

/** Which grants are listed. */
export interface GrantFilter {
  readonly tenantId?: TenantId | undefined
  /** Only those that open something, or may yet. */
  readonly isLive?: boolean | undefined
  /** At most so many, the newest first. Default 100. */
  readonly limit?: number | undefined
}

export interface BreakGlassStore {
  find(id: string): Promise<Grant | undefined>
  list(filter?: GrantFilter): Promise<readonly Grant[]>
  /** @throws {ConstraintError} when the database sees that it cannot be. */
  request(request: SignedRequest): Promise<void>
  /** @returns whether it was still to be decided. @throws {ConstraintError} */
  decide(id: string, decision: SignedDecision, expiresAt: Date | undefined): Promise<boolean>
  /** Opened, ended, or expired. @returns whether it went that way now. */
  advance(id: string, state: 'open' | 'ended' | 'expired', by: string): Promise<boolean>
  /** @returns whether there was something to take back. */
  revoke(id: string, by: string): Promise<boolean>
  findStaff(id: string): Promise<StaffMember | undefined>
  listStaff(): Promise<readonly StaffMember[]>
  /** @throws {ConstraintError} when the id or the key is somebody's, of now or of before. */
  addStaff(member: Pick<StaffMember, 'id' | 'name' | 'publicKey' | 'addedBy'>): Promise<void>
  /** @returns whether they were of the staff. */
  removeStaff(id: string): Promise<boolean>
}
