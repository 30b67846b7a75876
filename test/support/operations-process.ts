// A process of its own that works on an operation, and kills itself with SIGKILL at the first edge of a step that nobody has reached yet.
// Arguments: JSON. It prints the edge at which it dies; a process that reaches no new edge ends by itself.

import { writeSync } from 'node:fs'
import { MemoryAuditTrail } from '../../src/core/memory-audit-trail.ts'
import { createTenantContext } from '../../src/core/tenant-context.ts'
import { issueApiKey } from '../../src/identity/api-key.ts'
import { Operations } from '../../src/operations/operations.ts'
import { PostgresApiKeys } from '../../src/postgres/api-keys.ts'
import { PostgresCatalog } from '../../src/postgres/catalog.ts'
import { CatalogPurgeStore } from '../../src/postgres/catalog-purge-store.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { PostgresOperationJournal } from '../../src/postgres/operation-journal.ts'
import { createTenancy } from '../../src/tenancy.ts'
import { pooledPlace } from './pooled-place.ts'

export interface OperationsProcess {
  readonly urls: { readonly superuser: string; readonly migrator: string; readonly gatekeeper: string; readonly app: string }
  readonly act: 'onboard' | 'offboard' | 'cancel' | 'resume'
  /** What `cancel` cancels. */
  readonly id?: string
  readonly seen: readonly string[]
  readonly secret: string
}

const task = JSON.parse(process.argv[2] ?? '{}') as OperationsProcess
const open = (connectionString: string) => new ControlPool({ connectionString, applicationName: 'test-operations', connectionsMax: 2 })
const [reader, writer, superuser] = [open(task.urls.gatekeeper), open(task.urls.migrator), open(task.urls.superuser)]
const catalog = new PostgresCatalog({ reader, writer })
const tenancy = await createTenancy({ catalog: task.urls.gatekeeper, database: task.urls.app, auditTrail: new MemoryAuditTrail() })
const place = pooledPlace(writer, superuser, ['app.notes'])
const keys = new PostgresApiKeys({ gatekeeper: reader, migrator: writer })

const operations = new Operations({
  catalog,
  journal: new PostgresOperationJournal({ reader, writer }),
  auditTrail: new MemoryAuditTrail(),
  placements: () => place,
  secrets: { get: async () => task.secret, put: async () => {} },
  stores: [new CatalogPurgeStore(writer)],
  hooks: {
    beforeOpen: async () => {},
    onboarded: async () => {},
  },
  seeds: [{ name: 'welcome', sql: [`insert into app.notes (title, body) values ('Welcome', '') on conflict do nothing`] }],
  runSeed: async (tenant, work) => {
    await tenancy.for(createTenantContext({ tenant })).transaction(async (tx) => {
      await work({ query: async (text, values) => await tx.query(text, values) })
    })
  },
  adminKeys: {
    issue: async (tenantId, { name, scopes }) => {
      const { key, text } = await issueApiKey(keys, { tenantId, name, scopes })
      return { prefix: key.prefix, text }
    },
    revokeNamed: async (tenantId, name) => {
      for (const key of await keys.list(tenantId)) {
        if (key.name === name && key.revokedAt === undefined) await keys.revoke(tenantId, key.prefix)
      }
    },
  },
})

const seen = new Set(task.seen)
const onProgress = (event: { readonly kind: string; readonly step: string; readonly state?: string }): void => {
  const edge = `${event.step} ${event.state}`
  if (event.kind !== 'step' || seen.has(edge)) return
  // Written before the end, synchronously: whoever waits must hear of it.
  writeSync(1, `${edge}\n`)
  process.kill(process.pid, 'SIGKILL')
}

const reason = 'The contract has ended.'
switch (task.act) {
  case 'onboard':
    await operations.onboard({ slug: 'umbrella', name: 'Umbrella', admin: { email: 'ann@umbrella.example' } }, { onProgress })
    break
  case 'offboard':
    await operations.offboard('umbrella', { reason, now: true, onProgress, batchRows: 2 })
    break
  case 'cancel':
    await operations.cancel(task.id ?? '', { reason, onProgress })
    break
  case 'resume': {
    // One at a time: a second claim that is on its way when this process dies would be made on the server for a dead owner.
    const [resumed] = await operations.resumeAll({ onProgress, concurrency: 1 })
    if (resumed?.error !== undefined) throw resumed.error
    // Whoever started us must know that nothing was to be had.
    if (resumed === undefined) process.exitCode = 3
  }
}
await tenancy.close()
for (const pool of [reader, writer, superuser]) await pool.close()
