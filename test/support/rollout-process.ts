// A runner in a process of its own, to be killed. Arguments: JSON. It prints a line for each progress event.

import { writeSync } from 'node:fs'
import { MemoryAuditTrail } from '../../src/core/memory-audit-trail.ts'
import { ControlPool } from '../../src/postgres/control-pool.ts'
import { FleetConnections } from '../../src/postgres/fleet-connections.ts'
import { readMigrations } from '../../src/postgres/migrations/migration-set.ts'
import { Rollout } from '../../src/postgres/rollout/rollout.ts'

export interface RolloutProcess {
  readonly urls: { readonly migrator: string; readonly gatekeeper: string }
  readonly directory: string
  readonly leaseMs: number
}

const { urls, directory, leaseMs } = JSON.parse(process.argv[2] ?? '{}') as RolloutProcess
const open = (connectionString: string) => new ControlPool({ connectionString, applicationName: 'test-rollout', connectionsMax: 4 })
const [reader, writer] = [open(urls.gatekeeper), open(urls.migrator)]
const connections = new FleetConnections({ reader, admin: urls.migrator, secrets: { get: async () => undefined } })
const set = await readMigrations(new URL(directory))
const rollout = new Rollout({ reader, writer, connections, set, auditTrail: new MemoryAuditTrail(), concurrency: 2, leaseMs })
const result = await rollout.up({
  actor: { kind: 'service', id: 'test' },
  onEvent: (event) => void writeSync(1, `${JSON.stringify(event)}\n`),
})
writeSync(1, `${JSON.stringify({ kind: 'result', ...result })}\n`)
await connections.close()
for (const pool of [reader, writer]) await pool.close()
