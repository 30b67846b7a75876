// The workers of one tenancy.

import type { TenantId } from '../../core/tenant.ts'
import { ClosedError } from '../../errors.ts'
import { JobWorker, type JobWorkerOptions, type JobWorkerParts } from './job-worker.ts'

export class JobWorkers {
  readonly #parts: JobWorkerParts
  readonly #workers = new Set<JobWorker>()
  #isClosed = false

  constructor(parts: JobWorkerParts) {
    this.#parts = parts
  }

  /** @throws {ConfigurationError} {@link ClosedError} */
  start(options: JobWorkerOptions): JobWorker {
    if (this.#isClosed) throw new ClosedError('The tenancy is closed.')
    const worker = new JobWorker(this.#parts, options)
    this.#workers.add(worker)
    worker.start()
    return worker
  }

  /** Says that a tenant has a new job. */
  wake(tenantId: TenantId): void {
    for (const worker of this.#workers) worker.wake(tenantId)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#workers].map((worker) => worker.close()))
  }
}
