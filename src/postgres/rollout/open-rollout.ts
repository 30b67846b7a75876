// A rollout with its own connections: for a command, a job, a deployment.

import type { AuditTrail } from '../../core/audit-trail.ts'
import type { SecretReader } from '../../core/secret-reader.ts'
import { PostgresAuditTrail } from '../audit-trail.ts'
import { ControlPool } from '../control-pool.ts'
import { FleetConnections } from '../fleet-connections.ts'
import { readMigrations } from '../migrations/migration-set.ts'
import { Rollout, type RolloutOptions } from './rollout.ts'

export interface OpenMigrationsOptions extends Omit<RolloutOptions, 'reader' | 'writer' | 'connections' | 'set' | 'auditTrail'> {
  /** URL of the gatekeeper's login in the catalog's database. */
  readonly catalog: string
  /** URL of the migrator's login there. */
  readonly admin: string
  /** Has `server/<server>/migrator` of servers other than the catalog's. */
  readonly secrets: SecretReader
  /** Where the files are: `NNNN-what-it-does.sql`. */
  readonly directory: URL
  readonly auditTrail?: AuditTrail | undefined
}

/** Migrations of a fleet, open. */
export interface OpenMigrations {
  readonly rollout: Rollout
  close(): Promise<void>
}

const concurrencyDefault = 4
/** A catalog of 100,000 tenants is planned in one statement. */
const statementTimeoutMs = 120_000

/**
 * Opens migrations over a fleet. It connects when a verb needs it.
 *
 * @example
 * ```ts
 * const { rollout, close } = await openMigrations({ catalog, admin, secrets, directory: new URL('./migrations/', import.meta.url) })
 * const { state, failed } = await rollout.up({ actor: { kind: 'service', id: 'deploy' } })
 * await close()
 * ```
 *
 * @throws {ConfigurationError} {@link MigrationError} when the files, the rings or the budget cannot be.
 */
export async function openMigrations(options: OpenMigrationsOptions): Promise<OpenMigrations> {
  const { catalog, admin, secrets, directory, concurrency = concurrencyDefault } = options
  const set = await readMigrations(directory)
  const applicationName = 'partywall migrations'
  const reader = new ControlPool({ connectionString: catalog, applicationName, statementTimeoutMs })
  const writer = new ControlPool({ connectionString: admin, applicationName, connectionsMax: concurrency + 2, statementTimeoutMs })
  const connections = new FleetConnections({
    reader,
    admin,
    secrets,
    applicationName,
    connectionsMax: Math.max(2, concurrency),
    poolsMax: concurrency * 4,
    statementTimeoutMs,
  })
  const close = async (): Promise<void> => {
    await connections.close()
    await reader.close()
    await writer.close()
  }
  try {
    const auditTrail = options.auditTrail ?? new PostgresAuditTrail(reader)
    return { rollout: new Rollout({ ...options, concurrency, reader, writer, connections, set, auditTrail }), close }
  } catch (error) {
    await close()
    throw error
  }
}
