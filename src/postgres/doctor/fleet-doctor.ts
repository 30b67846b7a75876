// The doctor of a fleet: all of it, or the catalog's database alone.

import type { Catalog } from '../../core/catalog.ts'
import type { Clock } from '../../core/clock.ts'
import type { DoctorEvent } from '../../core/doctor-event.ts'
import type { DoctorPlace } from '../../core/doctor-finding.ts'
import type { Isolation } from '../../core/placement.ts'
import type { PlacementAdapter } from '../../core/placement-adapter.ts'
import type { ControlPool } from '../control-pool.ts'
import type { FleetConnections } from '../fleet-connections.ts'
import { catalogTasks } from './catalog-tasks.ts'
import { chooseChecks } from './choose-checks.ts'
import { fleetTasks } from './fleet-tasks.ts'
import { driftTasks } from './placement-drift.ts'
import { type DoctorTask, runDoctor } from './run-doctor.ts'

export interface DoctorOptions {
  /** Stems of the checks that are meant. Default: all. */
  readonly checks?: readonly string[] | undefined
  /** Look at each tenant's own place too: a few statements a tenant. Default false. */
  readonly placements?: boolean | undefined
  /** Places that are meant. Default: all. */
  readonly isWanted?: ((at: DoctorPlace) => boolean) | undefined
  /** Databases looked at side by side, 1 to 16. Default 4. */
  readonly atOnce?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface DoctorSite {
  readonly reader: ControlPool
  readonly connections: FleetConnections
  readonly catalog: Pick<Catalog, 'list'>
  readonly placements: (isolation: Isolation) => Pick<PlacementAdapter, 'verify'>
  readonly clock: Clock
}

/** @throws {ConfigurationError} for a check that there is not. */
export function examineFleet(site: DoctorSite, options: DoctorOptions = {}): AsyncGenerator<DoctorEvent, void> {
  const { reader, connections, clock } = site
  const { isWanted, placements = false, atOnce, signal } = options
  const checks = chooseChecks(options.checks)
  async function* tasks(): AsyncGenerator<DoctorTask, void> {
    yield* fleetTasks({ reader, connections, checks, isWanted })
    if (placements) yield* driftTasks({ catalog: site.catalog, reader, placements: site.placements, isWanted })
  }
  return runDoctor(tasks(), { checks, atOnce, signal, clock })
}

/**
 * The catalog's database and its server, by the gatekeeper's login alone.
 *
 * @throws {ConfigurationError} for a check that there is not.
 */
export function examineCatalog(
  gatekeeper: ControlPool,
  options: Pick<DoctorOptions, 'checks' | 'signal'> & { readonly clock?: Clock | undefined } = {},
): AsyncGenerator<DoctorEvent, void> {
  const { signal, clock } = options
  const checks = chooseChecks(options.checks)
  return runDoctor(catalogTasks(gatekeeper, checks), { checks, atOnce: 1, signal, clock })
}
