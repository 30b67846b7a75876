// A process of its own that reads, one request after another, and says each time that it has the row. It goes on until it is killed.
// Arguments: JSON.

import { writeSync } from 'node:fs'
import { createTenancy } from '../../src/tenancy.ts'

export interface AuditedProcess {
  readonly catalog: string
  readonly database: string
  readonly tenantId: string
  readonly strict: 'all' | readonly string[]
  readonly flushEveryMs: number
}

const { catalog, database, tenantId, strict, flushEveryMs } = JSON.parse(process.argv[2] ?? '{}') as AuditedProcess
const tenancy = await createTenancy({ catalog, database, audit: { strict, flushEveryMs } })
for (let i = 0; ; i++) {
  await tenancy.run(tenantId, async () => await tenancy.query('select n.title from notes as n limit 1'), { requestId: `r${i}` })
  writeSync(1, `${i} ${Date.now()}\n`)
}
