// openFleet(): the other place where the parts are joined. A tenancy serves tenants; a fleet makes, changes, migrates and removes
// them. It holds the migrator's login and the secrets, so that a process that serves the public has none of it.

import type { FleetAudit } from './audit/fleet-audit.ts'
import type { Backups } from './backup/backups.ts'
import { type BackupSettings, type FleetBackups, openBackups } from './backup/fleet-backups.ts'
import type { ApiKeys } from './core/api-keys.ts'
import type { AuditTrail } from './core/audit-trail.ts'
import { type Clock, systemClock } from './core/clock.ts'
import type { DoctorEvent } from './core/doctor-event.ts'
import type { DoctorFinding } from './core/doctor-finding.ts'
import type { CustomMasks } from './core/mask.ts'
import { mainPlacement, sharedSchema } from './core/placement.ts'
import { PlannedCatalog } from './core/planned-catalog.ts'
import { type Plan, Plans } from './core/plans.ts'
import type { Provisioner } from './core/provisioner.ts'
import type { SecretStore } from './core/secret-store.ts'
import { CapacityError, ConfigurationError, TenantNotFoundError } from './errors.ts'
import type { Evidence } from './evidence/evidence.ts'
import { type AuditSettings, fleetAudit } from './fleet-audit.ts'
import { fleetEvidence } from './fleet-evidence.ts'
import { adminKeys, reapedTexts, requestFor, serverPurgeStore } from './fleet-stores.ts'
import { BreakGlass } from './operations/break-glass.ts'
import { cachePurgeStore, type Generations } from './operations/cache-purge-store.ts'
import { failedRound, type KeepOptions, keep } from './operations/keeper.ts'
import type { TenantMover } from './operations/moves/move-work.ts'
import { Moves } from './operations/moves/moves.ts'
import { Operations } from './operations/operations.ts'
import type { PurgeStore } from './operations/purge-store.ts'
import { secretPurgeStore } from './operations/secret-purge-store.ts'
import { Staff } from './operations/staff.ts'
import type { Seed, TenantHooks } from './operations/tenant-life.ts'
import { partywallVersion } from './partywall-version.ts'
import { PostgresApiKeys } from './postgres/api-keys.ts'
import { PostgresAuditTrail } from './postgres/audit-trail.ts'
import { PostgresTenantRows } from './postgres/backup/tenant-rows.ts'
import { PostgresBreakGlassStore } from './postgres/break-glass-store.ts'
import { PostgresCatalog } from './postgres/catalog.ts'
import { CatalogPurgeStore } from './postgres/catalog-purge-store.ts'
import { ControlPool } from './postgres/control-pool.ts'
import { PostgresTenantCopier } from './postgres/copy/tenant-copier.ts'
import { applyFix } from './postgres/doctor/apply-fix.ts'
import { type DoctorOptions, examineFleet } from './postgres/doctor/fleet-doctor.ts'
import { FleetConnections } from './postgres/fleet-connections.ts'
import { type AppliedMigration, applyMigrations } from './postgres/migrations/apply-migrations.ts'
import { type MigrationSet, readMigrations } from './postgres/migrations/migration-set.ts'
import { arrive } from './postgres/moves/arrive.ts'
import { PostgresMoveJournal } from './postgres/moves/move-journal.ts'
import { MovePlaces } from './postgres/moves/move-places.ts'
import { PostgresMoveWork } from './postgres/moves/move-work.ts'
import { MoverPresence } from './postgres/moves/mover-presence.ts'
import { withoutMoves } from './postgres/moves/moves-lock.ts'
import { assertMovable, preflight } from './postgres/moves/preflight.ts'
import { PostgresOperationJournal } from './postgres/operation-journal.ts'
import { OwnedServers } from './postgres/owned-servers.ts'
import { placementMigrations } from './postgres/placements/placement-migrations.ts'
import { createPlacements, type Placements } from './postgres/placements/placements.ts'
import { Exports, Imports } from './postgres/portability/portability.ts'
import type { LendMigrator } from './postgres/portability/tenant-rows-source.ts'
import { Rollout, type RolloutOptions } from './postgres/rollout/rollout.ts'
import { seedRunner } from './postgres/seed-runner.ts'
import { Servers } from './postgres/servers.ts'
import { SlotPurgeStore } from './postgres/slot-purge-store.ts'
import { DirectoryTenantExporter } from './postgres/tenant-export.ts'
import { dedicatedServer } from './provisioners/dedicated-server.ts'
import { inventory } from './provisioners/inventory.ts'

export interface FleetOptions {
  /** URL of the gatekeeper's login in the catalog's database. */
  readonly catalog: string
  /** URL of the migrator's login there. */
  readonly admin: string
  /** Where passwords and keys are kept. */
  readonly secrets: SecretStore
  readonly plans?: Readonly<Record<string, Plan>> | undefined
  /** The application's migrations. Default: none. */
  readonly migrations?: URL | undefined
  /** How migrations go over the fleet. Default: all places at once, halting after 10 failures. */
  readonly rollout?: Pick<RolloutOptions, 'rings' | 'budget' | 'concurrency'> | undefined
  /** Without it no tenant can be backed up or restored. */
  readonly backups?: BackupSettings | undefined
  /** Where heads of the tenants' audit logs are kept, and how often. */
  readonly audit?: AuditSettings | undefined
  readonly hooks?: TenantHooks | undefined
  readonly seeds?: readonly Seed[] | undefined
  /** Masks of the application's own, which the rules of a clone call by their names. */
  readonly masks?: CustomMasks | undefined
  /** What else holds something of a tenant, and is purged with it. */
  readonly stores?: readonly PurgeStore[] | undefined
  /** The cache of the application, when other processes share it. */
  readonly cache?: Generations | undefined
  /** Makes servers for tenants who want one of their own. Default: those that are registered with the label `dedicated`. */
  readonly provisioner?: ((parts: { readonly servers: Servers; readonly owned: OwnedServers }) => Provisioner) | undefined
  /** Servers that are provisioned may be reached in the clear: only where the network itself is trusted. */
  readonly allowUnencrypted?: boolean | undefined
  /** What else holds something of a tenant, and follows it when it moves. */
  readonly movers?: readonly TenantMover[] | undefined
  readonly auditTrail?: AuditTrail | undefined
  /** Shown in pg_stat_activity. Default `partywall`. */
  readonly applicationName?: string | undefined
  /** So long an operation stays that of a process which was killed. Default 30,000. */
  readonly leaseMs?: number | undefined
  readonly clock?: Clock | undefined
}

interface Parts {
  readonly tenants: Operations
  readonly moves: Moves
  readonly presence: MoverPresence
  readonly servers: Servers
  readonly placements: Placements
  readonly catalog: PlannedCatalog
  readonly apiKeys: ApiKeys
  readonly auditTrail: AuditTrail
  readonly breakGlass: BreakGlass
  readonly staff: Staff
  readonly migrations: MigrationSet
  readonly rollout: Rollout
  readonly exports: Exports
  readonly imports: Imports
  readonly evidence: Evidence
  readonly audit: FleetAudit
  readonly connections: FleetConnections
  readonly secrets: SecretStore
  readonly reader: ControlPool
  readonly writer: ControlPool
  readonly backups: FleetBackups | undefined
  readonly clock: Clock
}

/** Tenants, servers, placements and migrations of an installation. Made by {@link openFleet}. */
export class Fleet {
  /** Onboard, clone, rename, change plan, suspend, resume, off-board. */
  readonly tenants: Operations
  /** Moves tenants from one placement to another while they are served. */
  readonly moves: Moves
  readonly servers: Servers
  readonly placements: Placements
  readonly catalog: PlannedCatalog
  readonly apiKeys: ApiKeys
  readonly auditTrail: AuditTrail
  /** Grants: staff's only way to a tenant's data, asked for by one and approved by another. */
  readonly breakGlass: BreakGlass
  /** The people who may. */
  readonly staff: Staff
  readonly migrations: MigrationSet
  /** Brings every place of the fleet to the newest migration. */
  readonly rollout: Rollout
  /** A tenant's rows in files that others can read. */
  readonly exports: Exports
  /** Rows from files into a tenant. */
  readonly imports: Imports
  /** What shows a customer that its data is isolated: as data, as a signed document, and by `evidencePage` as a page. A PDF is made by the command line alone. */
  readonly evidence: Evidence
  /** The tenants' own audit logs: verified, anchored, read, exported, pruned. */
  readonly audit: FleetAudit
  readonly connections: FleetConnections
  /** The gatekeeper's connections to the catalog. */
  readonly reader: ControlPool
  readonly secrets: SecretStore
  readonly #writer: ControlPool
  readonly #presence: MoverPresence
  readonly #backups: FleetBackups | undefined
  readonly #clock: Clock
  readonly #closing = new AbortController()
  readonly #keeping = new Set<Promise<void>>()

  /** @internal */
  constructor(parts: Parts) {
    this.tenants = parts.tenants
    this.moves = parts.moves
    this.#presence = parts.presence
    this.servers = parts.servers
    this.placements = parts.placements
    this.catalog = parts.catalog
    this.apiKeys = parts.apiKeys
    this.auditTrail = parts.auditTrail
    this.breakGlass = parts.breakGlass
    this.staff = parts.staff
    this.migrations = parts.migrations
    this.rollout = parts.rollout
    this.exports = parts.exports
    this.imports = parts.imports
    this.evidence = parts.evidence
    this.audit = parts.audit
    this.connections = parts.connections
    this.reader = parts.reader
    this.secrets = parts.secrets
    this.#writer = parts.writer
    this.#backups = parts.backups
    this.#clock = parts.clock
  }

  /** Backups of tenants, and their restore. @throws {ConfigurationError} when nobody says where they are kept. */
  get backups(): Backups {
    if (this.#backups !== undefined) return this.#backups.backups
    throw new ConfigurationError(
      'There is no store of backups. Pass openFleet({ backups: { store } }), or set backups in partywall.config.ts.',
    )
  }

  /**
   * Brings the shared tables of the catalog's own database to the newest migration.
   *
   * @throws {OperationInProgressError} while a tenant moves from or to them.
   */
  async migrateMain(): Promise<readonly AppliedMigration[]> {
    const { database: name } = mainPlacement
    return await this.connections.asMigrator(name, (control) =>
      withoutMoves(control, async () => {
        const applied = await applyMigrations(control, sharedSchema, this.migrations)
        await control.query('update partywall.databases as d set version = $2 where d.name = $1', [name, this.migrations.newest])
        return applied
      }),
    )
  }

  /** The newest migration of those shared tables, as the catalog has it; undefined before the first. */
  async mainVersion(): Promise<string | undefined> {
    const { database: name } = mainPlacement
    const [row] = await this.reader.query<{ version: string | null }>('select d.version from partywall.databases as d where d.name = $1', [
      name,
    ])
    return row?.version ?? undefined
  }

  /**
   * Looks for what lets one tenant reach another: on every server, in every database, as a role that may read no tenant's row. It tells
   * what it finds, and what it could not see, as it goes; a place that cannot be reached is told, and the rest goes on. What is silenced
   * and how it is printed is `partywall/doctor`.
   *
   * @example
   * ```ts
   * const report = await collectReport(fleet.doctor(), { silences: [], now: new Date() })
   * if (report.verdict !== 'sound') console.error(reportLines(report).join('\n'))
   * ```
   *
   * @throws {ConfigurationError} at once, for a check that there is not.
   * @throws {AbortedError} while it is read, when the signal fires.
   */
  doctor(options: DoctorOptions = {}): AsyncGenerator<DoctorEvent, void> {
    const { reader, connections, catalog, placements } = this
    return examineFleet({ reader, connections, catalog, placements: (isolation) => placements.for(isolation), clock: this.#clock }, options)
  }

  /**
   * Runs the SQL of a finding whose `isFixSafe` is true, in one transaction that waits for no lock longer than two seconds.
   *
   * @throws {ConfigurationError} for a finding that a person must decide on.
   * @throws the database's own error when it refuses: then nothing was changed.
   */
  async mend(finding: DoctorFinding): Promise<void> {
    await applyFix({ reader: this.reader, connections: this.connections }, finding)
  }

  /**
   * Goes on with what was left undone (killed processes, times of grace that are over), keeps the stock full, and makes the backups that
   * are due, in rounds, until the signal fires or the fleet is closed. One process of an installation should do it; more of them share the work.
   *
   * @throws {InvalidInputError} when `everyMs` is out of bounds. A round that fails is told to `onRound`, and is no end.
   */
  async keep(options: KeepOptions = {}): Promise<void> {
    const signals = [this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])]
    const { tenants: operations, placements } = this
    const keeping = keep(
      { operations, fillStock: (request) => placements.stock.fill(request), backUp: this.#backups?.keeper() },
      { ...options, signal: AbortSignal.any(signals) },
    )
    const signal = AbortSignal.any(signals)
    const anchoring = this.audit.keep({ signal, onError: (error) => options.onRound?.(failedRound(error)) })
    const together = Promise.all([keeping, this.moves.keep({ signal }), anchoring]).then(() => {})
    this.#keeping.add(together)
    await together.finally(() => this.#keeping.delete(together))
  }

  /** Ends after the present steps; what is left undone is resumed by whoever comes next. */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled([...this.#keeping])
    await this.moves.close()
    await this.#presence.close()
    await this.tenants.close()
    await this.connections.close()
    await this.reader.close()
    await this.#writer.close()
  }
}

/**
 * Opens a fleet. It connects when a verb needs it.
 *
 * @example
 * ```ts
 * const fleet = await openFleet({ catalog, admin, secrets: fileSecrets('/etc/app/secrets'), plans, migrations: new URL('./migrations/', import.meta.url) })
 * await fleet.tenants.onboard({ slug: 'acme', name: 'Acme Ltd.', plan: 'enterprise' })
 * await fleet.close()
 * ```
 *
 * @throws {ConfigurationError} when the plans or the migrations cannot be.
 */
export async function openFleet(options: FleetOptions): Promise<Fleet> {
  const { secrets, clock = systemClock } = options
  const applicationName = options.applicationName ?? 'partywall'
  const plans = new Plans(options.plans)
  const migrations = options.migrations === undefined ? { files: [], newest: undefined } : await readMigrations(options.migrations)
  const reader = new ControlPool({ connectionString: options.catalog, applicationName: `${applicationName} gatekeeper` })
  const writer = new ControlPool({ connectionString: options.admin, applicationName: `${applicationName} admin`, connectionsMax: 8 })
  const connections = new FleetConnections({ reader, admin: options.admin, secrets, applicationName: `${applicationName} operations` })
  const auditTrail = options.auditTrail ?? new PostgresAuditTrail(reader)
  const servers = new Servers({ reader, writer, secrets, clock })
  const owned = new OwnedServers(writer)
  const provisioner = options.provisioner?.({ servers, owned }) ?? inventory({ owned, secrets })
  const dedicated = dedicatedServer({ servers, owned, provisioner, allowUnencrypted: options.allowUnencrypted })
  const set = placementMigrations(migrations)
  const placements = createPlacements({
    reader,
    connections,
    secrets,
    migrations: set,
    provisioner: {
      acquire: async ({ tenantId, region, labels }) => {
        if (tenantId === undefined) throw new CapacityError('Servers are not made in advance: register one with the label dedicated.')
        return await dedicated.acquire(requestFor(tenantId, region, labels['plan'] ?? ''))
      },
      reserve: async ({ tenantId, region }) => await dedicated.reserve(requestFor(tenantId, region, '')),
      release: async ({ tenantId, region, server }) => {
        // One that was named by hand is nobody's, and free again as soon as nothing is on it.
        if ((await owned.find(tenantId))?.name === server) await dedicated.release(requestFor(tenantId, region, ''))
      },
    },
  })
  const asMigrator: LendMigrator = (database, fn) => connections.asMigrator(database, fn)
  const apiKeys = new PostgresApiKeys({ gatekeeper: reader, migrator: writer })
  const catalog = new PlannedCatalog(new PostgresCatalog({ reader, writer }), plans)
  const backups = openBackups(options.backups, {
    secrets,
    catalog,
    placements: (isolation) => placements.for(isolation),
    rows: new PostgresTenantRows({ connections, secrets }),
    auditTrail,
    clock,
    partywall: partywallVersion(),
    onboard: (tenant, verb) => tenants.onboard(tenant, verb),
    replace: (id, contents, verb) => tenants.replace(id, contents, verb),
  })
  const tenants = new Operations({
    catalog,
    placements: (isolation) => placements.for(isolation),
    plans,
    hooks: options.hooks,
    seeds: options.seeds,
    runSeed: seedRunner(connections),
    adminKeys: adminKeys(apiKeys),
    secrets,
    stores: [
      serverPurgeStore(dedicated, owned),
      new SlotPurgeStore((server, fn) => connections.asAdministrator(server, fn)),
      secretPurgeStore(secrets),
      new CatalogPurgeStore(writer),
      ...(backups === undefined ? [] : [backups.purgeStore]),
      ...(options.cache === undefined ? [] : [cachePurgeStore(options.cache)]),
      ...(options.stores ?? []),
    ],
    copier: new PostgresTenantCopier({ connections, secrets, masks: options.masks }),
    exporter: new DirectoryTenantExporter({ asMigrator }),
    filler: backups?.filler,
    journal: new PostgresOperationJournal({ reader, writer }),
    auditTrail,
    leaseMs: options.leaseMs,
    clock,
  })
  const presence = new MoverPresence(writer)
  const places = new MovePlaces(placements)
  const moves = new Moves({
    catalog,
    journal: new PostgresMoveJournal({ reader, writer, arrive }),
    work: new PostgresMoveWork({
      reader,
      connections,
      secrets,
      places,
      catalog: writer,
      tenant: async (id) => {
        const tenant = await catalog.find({ kind: 'id', id })
        if (tenant === undefined) throw new TenantNotFoundError(`There is no tenant ${id} any more.`)
        return tenant
      },
      clock,
    }),
    planner: {
      reserve: (tenant, { to, server, database, moveId }) => places.reserve(tenant, { isolation: to, server, database, moveId }),
      unreserve: (tenant, _target, moveId) => places.unreserve(tenant, moveId),
      findings: async (tenant, target, wished) =>
        await preflight({ tenant, source: tenant.placement, target, options: wished, connections, catalog: reader, migrations: set }),
      assertMovable,
      reap: async () => [...(await places.reap()), ...(await reapedTexts({ connections, catalog: reader, secrets }))],
    },
    movers: options.movers,
    auditTrail,
    owner: () => presence.owner(),
    clock,
  })
  const rollout = new Rollout({ ...options.rollout, reader, writer, connections, set: migrations, auditTrail, clock })
  const store = new PostgresBreakGlassStore({ reader, writer })
  const breakGlass = new BreakGlass({
    store,
    secrets,
    auditTrail,
    clock,
    revokeCapabilities: async ({ id, tenantId }) => {
      const tenant = await catalog.find({ kind: 'id', id: tenantId })
      if (tenant === undefined) return
      await connections.asMigrator(tenant.placement.database, (control) => control.query('select partywall.revoke_grant($1)', [id]))
    },
  })
  const audit = fleetAudit({ settings: options.audit, backups: options.backups, connections, catalog, secrets, auditTrail, clock })
  return new Fleet({
    audit,
    breakGlass,
    staff: new Staff({ store, secrets, auditTrail }),
    backups,
    clock,
    tenants,
    moves,
    presence,
    servers,
    placements,
    catalog,
    apiKeys,
    auditTrail,
    migrations,
    rollout,
    exports: new Exports({ catalog, asMigrator, auditTrail }),
    imports: new Imports({ catalog, asMigrator, auditTrail }),
    evidence: fleetEvidence({
      ...{ reader, writer, connections, catalog, plans, moves, breakGlass, backups, audit, secrets, auditTrail, clock },
      placements: (isolation) => placements.for(isolation),
    }),
    connections,
    secrets,
    reader,
    writer,
  })
}
