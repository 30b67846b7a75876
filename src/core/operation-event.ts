// What long work tells of itself while it runs: plain objects, the same for the command line, the API and logs.

/** One step of an operation on one tenant has begun, is done, or has failed. */
export interface StepEvent {
  readonly kind: 'step'
  /** The operation's name: `onboard`, `migrate`. */
  readonly operation: string
  /** Its id; of a place that is many tenants', or nobody's yet, the names of its database and schema. */
  readonly tenant: string
  /** The step's name within the operation: `create-schema`, `0007-invoices.sql`. */
  readonly step: string
  readonly state: 'started' | 'done' | 'failed'
  /** Why it failed, or what else is worth a line. For operators: it may name databases and tables. */
  readonly message?: string | undefined
}

/** How far the whole is. Counts, not differences; `done` leaves out what failed: what is left is total - done - failed. */
export interface ProgressEvent {
  readonly kind: 'progress'
  readonly done: number
  readonly total: number
  readonly failed: number
  /** Being worked on at this moment. */
  readonly running: number
}

export type OperationEvent = StepEvent | ProgressEvent
