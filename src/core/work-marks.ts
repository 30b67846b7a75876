// Where work waits: which tenants have some, and from when on. The work itself is in each tenant's own place, and moves with it.

import type { TenantId } from './tenant.ts'

/** A tenant that was taken, to be visited and settled. */
export interface TakenMark {
  readonly tenantId: TenantId
  /** Of this taking. A settlement by another one does not count. */
  readonly hold: string
}

export interface TakeOptions {
  readonly tenantsMax: number
  /** For how long nobody else takes them, in milliseconds. A holder that dies is waited for that long. */
  readonly holdMs: number
  /** Tenants whose share here is used up. */
  readonly exceptFor: readonly TenantId[]
}

/** Marks by kind: `job`, `event`. One too many costs a visit; one too few is found by the next sweep. */
export interface WorkMarks {
  /** Says that a tenant has work, `dueInMs` (default 0) from now on. Call it before the work is committed. */
  mark(kind: string, tenantId: TenantId, dueInMs?: number): Promise<void>
  /** Takes marks that are due, those that waited longest first. */
  take(kind: string, options: TakeOptions): Promise<readonly TakenMark[]>
  /** Gives one back: due again in `dueInMs`, or, by undefined, as far as the visitor knows, never. */
  settle(kind: string, mark: TakenMark, dueInMs: number | undefined): Promise<void>
  /** Marks every tenant that is served, if nobody has done it in the last `everyMs`. @returns whether it was done now. */
  sweep(kind: string, everyMs: number): Promise<boolean>
}
