// A kind of job: its name, what its input looks like, and what is done.

import type { OpenTransaction } from '../../core/open-transaction.ts'
import { assertSchema, type StandardSchema } from '../../core/standard-schema.ts'
import type { Json } from '../../core/tenant.ts'
import type { TenantContext } from '../../core/tenant-context.ts'
import { ConfigurationError } from '../../errors.ts'

/** A job while it runs. */
export interface RunningJob {
  readonly id: string
  readonly name: string
  /** From 1 on. */
  readonly attempt: number
  readonly attemptsMax: number
  /** The scope that the handler runs in: the tenant, and who enqueued it. */
  readonly context: TenantContext
  /** Aborted when the job is cancelled, has run out of its time, is another's by now, or the worker ends. Hand it on. */
  readonly signal: AbortSignal
  /** Leaves word of how far it is, for whoever asks with `find()`. At most 64 KiB of JSON. @throws {JobLostError} */
  progress(value: Json): Promise<void>
  /**
   * Takes the job away in a transaction of the handler's: what it did there and the end of the job are one. Without it a job whose worker
   * dies after its last statement and before its end is told runs again.
   *
   * @throws {JobLostError} when another has it. Let it through, so that the transaction is undone.
   */
  complete(tx: OpenTransaction): Promise<void>
}

export interface TenantJobOptions {
  /** How often it is tried before it is dead. Default 10. */
  readonly attemptsMax?: number | undefined
  /** The pause after the first failure, in milliseconds; each further one doubles it, up to an hour, give or take a quarter. Default 1,000. */
  readonly retryPauseMs?: number | undefined
  /** For how long one attempt may run, in milliseconds. Default 15 minutes. */
  readonly timeoutMs?: number | undefined
  /** How many of one tenant run at once in one worker. Default: as many as the worker runs of a tenant. */
  readonly concurrency?: number | undefined
}

/** A kind of job. Made by {@link tenantJob}. */
export interface TenantJob<Input = unknown, Parsed = Input> {
  readonly name: string
  readonly schema: StandardSchema<Input, Parsed>
  readonly handler: (input: Parsed, job: RunningJob) => unknown
  readonly attemptsMax: number
  readonly retryPauseMs: number
  readonly timeoutMs: number
  readonly concurrency: number | undefined
}

/** Of whatever input: a worker has many kinds, and hands to each handler what its own schema made. */
export interface AnyTenantJob extends Omit<TenantJob, 'handler'> {
  readonly handler: (input: never, job: RunningJob) => unknown
}

const namePattern = /^[a-z][a-z0-9]*(?:[-.][a-z0-9]+)*$/

/**
 * Names a kind of job. Its handler runs inside the scope of the tenant that enqueued it; it may run more than once for the same job, after
 * a failure or when a worker dies, so what it does outside the database should bear that.
 *
 * @param schema of the input: of any library that implements Standard Schema. The input is checked when it is enqueued and when it runs.
 * @example
 * ```ts
 * const report = tenantJob('tenant-report', z.object({ month: z.string() }), async ({ month }, job) => {
 *   const { rows } = await tenancy.query('select id, title from documents where created_at >= $1', [month])
 *   await job.progress({ documents: rows.length })
 * })
 * await tenancy.jobs().enqueue(report, { month: '2026-11-01' })
 * ```
 *
 * @throws {ConfigurationError} for a name or a bound that cannot be.
 */
export function tenantJob<Input, Parsed = Input>(
  name: string,
  schema: StandardSchema<Input, Parsed>,
  handler: (input: Parsed, job: RunningJob) => unknown,
  options: TenantJobOptions = {},
): TenantJob<Input, Parsed> {
  if (typeof name !== 'string' || name.length > 100 || !namePattern.test(name)) {
    throw new ConfigurationError(
      `A job cannot be named ${JSON.stringify(name)}. Use a-z, 0-9, "-" and ".", at most 100, as "tenant-report".`,
    )
  }
  assertSchema(schema, `Job ${name}`)
  const { attemptsMax = 10, retryPauseMs = 1_000, timeoutMs = 900_000, concurrency } = options
  assertWhole(name, { attemptsMax, retryPauseMs, timeoutMs, concurrency: concurrency ?? 1 })
  return Object.freeze({ name, schema, handler, attemptsMax, retryPauseMs, timeoutMs, concurrency })
}

function assertWhole(name: string, bounds: Readonly<Record<string, number>>): void {
  for (const [bound, value] of Object.entries(bounds)) {
    if (!Number.isSafeInteger(value) || value < 1 || value > 2_147_483_647) {
      throw new ConfigurationError(`Job ${name}: ${bound} is ${value}; it must be a whole number from 1 to 2,147,483,647.`)
    }
  }
}
