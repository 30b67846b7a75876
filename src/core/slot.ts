// What a caller of the fair queue says and gets.

/** How a call waits for a slot. */
export interface AcquireOptions {
  /** Share of the pool relative to other tenants, above 0; from the tenant's plan. Default 1. */
  readonly weight?: number | undefined
  /** Overrides the queue's. */
  readonly deadlineMs?: number | undefined
  /** Gives up the place in the line. It does not release a slot once that was given. */
  readonly signal?: AbortSignal | undefined
}

/** A place in the pool. Whoever has it releases it, exactly once; later calls do nothing. */
export interface Slot {
  release(): void
}
