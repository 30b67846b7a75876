// A process of its own that runs one job: it writes a note, says so, and does not end. Then it is killed. Arguments: JSON.

import { writeSync } from 'node:fs'
import { tenantJob } from '../../src/resources/jobs/tenant-job.ts'
import { createTenancy } from '../../src/tenancy.ts'
import { anything } from './schemas.ts'

export interface JobsProcess {
  readonly catalog: string
  readonly database: string
  /** Does the job end in the transaction of its effect? */
  readonly completes: boolean
}

const { catalog, database, completes } = JSON.parse(process.argv[2] ?? '{}') as JobsProcess
const tenancy = await createTenancy({ catalog, database })
const job = tenantJob('effect', anything(), async (_input, running) => {
  await tenancy.transaction(async (tx) => {
    await tx.query('insert into notes (tenant_id, title) values ($1, $2)', [running.context.tenant.id, `attempt ${running.attempt}`])
    if (completes) await running.complete(tx)
  })
  writeSync(1, 'done\n')
  await new Promise(() => {})
})
tenancy.startWorker({ jobs: [job], holdMs: 1_000, pollMs: 20 })
