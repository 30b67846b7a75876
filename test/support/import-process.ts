// A process of its own that imports into a tenant of shared tables, and kills itself with SIGKILL around one of its statements.
// Argument: JSON. A process that lives to the end prints its report.

import type { PlacedTenant } from '../../src/core/placement-adapter.ts'
import { type ImportOptions, importTenant } from '../../src/portability/import-tenant.ts'
import { type ControlConnection, ControlPool } from '../../src/postgres/control-pool.ts'
import { PostgresImport } from '../../src/postgres/portability/postgres-import.ts'

export interface ImportProcess {
  readonly migratorUrl: string
  readonly tenant: PlacedTenant
  readonly options: Omit<ImportOptions, 'signal' | 'onProgress'>
  /** Dies at this statement of those that run in transactions, counted from 1. */
  readonly diesAt: number
  /** The statement has run, and its answer is lost. */
  readonly hasRun: boolean
}

const { migratorUrl, tenant, options, diesAt, hasRun } = JSON.parse(process.argv[2] ?? '{}') as ImportProcess
const pool = new ControlPool({ connectionString: migratorUrl, applicationName: 'test-import' })
let statements = 0

const mortal = (connection: ControlConnection): ControlConnection => ({
  async query(text, values) {
    statements += 1
    if (statements === diesAt && !hasRun) process.kill(process.pid, 'SIGKILL')
    const isLast = statements === diesAt
    try {
      return await connection.query<never>(text, values)
    } finally {
      if (isLast) process.kill(process.pid, 'SIGKILL')
    }
  },
})

const target = new PostgresImport(
  async (_database, fn) =>
    await fn(
      Object.assign(Object.create(pool) as ControlPool, {
        query: (text: string, values?: readonly unknown[]) => pool.query(text, values),
        transaction: <T>(work: (connection: ControlConnection) => Promise<T>) => pool.transaction(async (own) => await work(mortal(own))),
      }),
    ),
  tenant,
  options.mode ?? 'insert',
)
console.log(JSON.stringify(await importTenant(tenant.id, target, options)))
await pool.close()
