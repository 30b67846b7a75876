// What the adapters of placements share: the catalog, connections to the fleet, secrets, migrations, and how failures are told.

import type { TenantId } from '../../core/tenant.ts'
import { DatabaseUnavailableError, PlacementConflictError, TenancyError } from '../../errors.ts'
import type { ControlConnection, ControlPool } from '../control-pool.ts'
import { translate } from '../database-errors.ts'
import type { FleetConnections } from '../fleet-connections.ts'

/** Where passwords of tenants' own logins are kept. */
export interface PlacementSecrets {
  /** @returns undefined when there is none of that name. */
  get(name: string): Promise<string | undefined>
  put(name: string, value: string): Promise<void>
  /** One that is not there is no failure. */
  delete(name: string): Promise<unknown>
}

/** The application's migrations, as one set for every placement. */
export interface PlacementMigrations {
  /** The newest, e.g. `0012`; undefined when there are none. */
  readonly version: string | undefined
  /** Differs when any migration does: templates are named for it. */
  readonly fingerprint: string
  /** Brings a schema to the newest version. Repeating it is harmless. `control` is the migrator's. */
  applyAll(control: ControlPool, schema: string): Promise<void>
  /** The newest that was applied to a schema. */
  versionOf(control: ControlPool, schema: string): Promise<string | undefined>
  /** Removes the record of what was applied to a schema that is about to be dropped. */
  forget(control: ControlConnection, schema: string): Promise<void>
}

/** Where a server of a tenant's own comes from, and where it goes. */
export interface ServerProvisioner {
  /**
   * A server of the region that holds nobody: registered in the catalog, active, with `tenants_max` 1. Asked again for the same
   * tenant it answers the same.
   *
   * @param request.tenantId Undefined for a server that is to wait for its tenant.
   * @returns its name in the catalog.
   */
  acquire(request: {
    readonly tenantId: TenantId | undefined
    readonly region: string
    readonly labels: Readonly<Record<string, string>>
  }): Promise<string>
  /** Says in the catalog which server it will be, and makes none yet. Without it `acquire` is called at once. */
  reserve?(request: { readonly tenantId: TenantId; readonly region: string }): Promise<string>
  /** Gives a server back on which nothing is any more, if it was got for this tenant. Repeating it is harmless. */
  release?(request: { readonly tenantId: TenantId; readonly region: string; readonly server: string }): Promise<void>
}

export interface PlacementSite {
  /** The gatekeeper's connections to the catalog. */
  readonly reader: ControlPool
  readonly connections: FleetConnections
  readonly secrets: PlacementSecrets
  readonly migrations: PlacementMigrations
  readonly provisioner: ServerProvisioner | undefined
  /** Called before each step, with its name: for progress, and for tests that fail there. */
  readonly onStep: (step: string) => void | Promise<void>
}

/** Runs statements of ours in the catalog, as the owner. */
export async function inCatalog<T>(site: PlacementSite, fn: (control: ControlPool) => Promise<T>): Promise<T> {
  return await told(() => site.connections.asMigrator('main', fn))
}

/**
 * Runs `fn` while nobody else, in any process, works on the same thing. `fn` gets a transaction in the catalog that commits when it
 * resolves: what is written there says that the work is done.
 */
export async function alone<T>(site: PlacementSite, thing: string, fn: (catalog: ControlConnection) => Promise<T>): Promise<T> {
  return await inCatalog(site, (control) =>
    control.transaction(async (catalog) => {
      await catalog.query('select pg_advisory_xact_lock(hashtextextended($1, 7305804405))', [`placement ${thing}`])
      return await fn(catalog)
    }),
  )
}

/** What the database reports, in our words. Every verb can be repeated, so that no failure is one that may have written. */
export async function told<T>(fn: () => Promise<T>): Promise<T> {
  try {
    return await fn()
  } catch (error) {
    switch (sqlstateOf(error)) {
      case '42P06':
      case '42P04':
      case '42710':
        throw new PlacementConflictError(`${(error as Error).message}. It was left as it is: see what it is, and whose.`, { cause: error })
      case '23505':
      case '23514':
        if (/^gates_schema/.test(String((error as { readonly constraint?: unknown }).constraint))) {
          throw new PlacementConflictError('The schema is recorded as another tenant’s, or the tenant has another one.', { cause: error })
        }
        throw error
      default:
        throw translate(error, { mayHaveWritten: false })
    }
  }
}

/** The database's own code, also of a failure that we have put into our words. */
export function sqlstateOf(error: unknown): string | undefined {
  const inner = error instanceof TenancyError ? error.cause : error
  const { code } = (inner ?? {}) as { readonly code?: unknown }
  return typeof code === 'string' ? code : undefined
}

/** The one row of a query that always has one. */
export function only<Row>(rows: readonly Row[]): Row {
  const [row] = rows
  if (row === undefined) throw new DatabaseUnavailableError('The database answered with no row where there is always one.')
  return row
}
