// What an application does with its tenants' audit logs, and how the recorder is set up.

import type { AuditOutcome } from './core/audit-entry.ts'
import { AuditRecorder, type AuditRecorderStats } from './core/audit-recorder.ts'
import type { Clock } from './core/clock.ts'
import type { Json, Tenant } from './core/tenant.ts'
import type { TenantContext, TenantScope } from './core/tenant-context.ts'
import { ConfigurationError, InvalidInputError } from './errors.ts'
import { type OwnLogOptions, type OwnLogPage, readOwnLog } from './postgres/audit/own-log.ts'
import { PostgresAuditLog } from './postgres/audit-log.ts'
import type { Leases } from './postgres/lease.ts'
import type { MoveWait } from './postgres/move-wait.ts'
import { StatementAudit } from './postgres/statement-audit.ts'
import { loadStatementParser } from './postgres/statement-facts.ts'
import type { TenantDatabases } from './postgres/tenant-database.ts'

/** How accesses are recorded. Each tenant's schema needs the log: `select partywall.create_audit_log();` in a migration. */
export interface AuditOptions {
  /**
   * Statements that are recorded, durably, before they are sent: `all`, or those that name one of these tables. For them not even a
   * killed process leaves a gap; each costs a write more. Default: none.
   */
  readonly strict?: 'all' | readonly string[] | undefined
  /** How long an entry may wait to be written with others, in milliseconds: 10 to 60,000; default 1,000. A killed process loses as much. */
  readonly flushEveryMs?: number | undefined
  /** Characters that may be buffered for one tenant, and for all, while logs cannot be written. Default 4 and 64 Mi. */
  readonly tenantBufferMax?: number | undefined
  readonly bufferMax?: number | undefined
  /** How long a call waits for room, or for a record that must come first, before it is refused, in milliseconds. Default 10,000. */
  readonly waitMs?: number | undefined
  /** Told once a minute for each tenant whose schema has no audit log. Default: a process warning. */
  readonly onMissing?: ((tenant: Tenant) => void) | undefined
  /** Told when logs could not be written; what was to be written is kept. Default: a process warning, once a minute. */
  readonly onStalled?: ((error: unknown) => void) | undefined
}

/** An act of the application's own that its tenants are to find in their logs: a download, a login, an export. */
export interface AuditNote {
  /** As `file.download`: lower case, with dots. */
  readonly operation: string
  /** Default `done`. */
  readonly outcome?: AuditOutcome | undefined
  /** No personal data and no secrets. At most 16,384 characters of JSON. */
  readonly details?: Readonly<Record<string, Json>> | undefined
}

const operationPattern = /^[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+$/

/** What records the statements of a tenancy. */
export async function openStatementAudit(
  options: AuditOptions | undefined,
  parts: { readonly databases: TenantDatabases; readonly moveWait: MoveWait; readonly clock: Clock },
): Promise<StatementAudit | undefined> {
  if (options === undefined) return undefined
  const { clock } = parts
  // Otherwise the first statements would be recorded without their tables, and strict ones taken for it.
  await loadStatementParser()
  const recorder = new AuditRecorder({
    onMissing: warnOfMissing,
    onStalled: warningOfStalled(clock),
    ...options,
    log: new PostgresAuditLog(parts),
    clock,
  })
  return new StatementAudit({ recorder, clock, strict: options.strict })
}

/** The audit log of the tenant in context. */
export class TenantAudit {
  readonly #audit: StatementAudit | undefined
  readonly #scope: TenantScope
  readonly #leases: Leases

  /** @internal */
  constructor({
    audit,
    scope,
    leases,
  }: { readonly audit: StatementAudit | undefined; readonly scope: TenantScope; readonly leases: Leases }) {
    this.#audit = audit
    this.#scope = scope
    this.#leases = leases
  }

  /** How the recorder stands; undefined when nothing is recorded. */
  get stats(): AuditRecorderStats | undefined {
    return this.#audit?.recorder.stats
  }

  /**
   * The log of the tenant in context, the newest first: for the tenant's own eyes. It is read behind the wall, as its rows are, and the
   * reading is an entry itself.
   *
   * @example
   * ```ts
   * app.get('/audit', async ({ query }) => await tenancy.audit.list({ limit: 50, before: query.before }))
   * ```
   *
   * @throws {NoTenantError} outside every tenant. {@link InvalidInputError} {@link ConfigurationError} when the tenant has no log.
   */
  async list(options: OwnLogOptions = {}): Promise<OwnLogPage> {
    return await readOwnLog(this.#leases, this.#scope.current(), options)
  }

  /**
   * Records an act of the application's own for the tenant in context, with who and in which request.
   *
   * @example
   * ```ts
   * await tenancy.audit.record({ operation: 'file.download', details: { file: id } })
   * ```
   *
   * @throws {NoTenantError} outside every tenant. {@link ConfigurationError} when the tenancy records nothing (`audit` of createTenancy).
   * @throws {InvalidInputError} {@link AuditUnavailableError}
   */
  async record(note: AuditNote): Promise<void> {
    const { operation, outcome, details } = note
    if (operation.length > 100 || !operationPattern.test(operation)) {
      throw new InvalidInputError('An operation in the audit log has the form area.what_happened.')
    }
    await this.#needed().note(this.#scope.current(), operation, { ...(outcome && { outcome }), ...(details && { details }) })
  }

  /** Resolves when everything that was recorded until now has been written, or could not be: see `stats`. */
  async flush(): Promise<void> {
    await this.#audit?.recorder.flush()
  }

  /** @internal For partywall's own acts; where nothing is recorded, nothing. */
  async noteOwn(context: TenantContext, operation: string, details: Readonly<Record<string, Json>>): Promise<void> {
    await this.#audit?.note(context, operation, { details })
  }

  /** @internal Before what it writes with is closed. */
  async close(): Promise<void> {
    await this.#audit?.close()
  }

  #needed(): StatementAudit {
    if (this.#audit === undefined) throw new ConfigurationError('This tenancy records nothing. Pass `audit: {}` to createTenancy().')
    return this.#audit
  }
}

function warnOfMissing(tenant: Tenant): void {
  process.emitWarning(
    `The schema of tenant ${tenant.id} has no audit log: its accesses are not recorded. Call partywall.create_audit_log() in a migration.`,
    { code: 'PW_AUDIT_LOG_MISSING' },
  )
}

function warningOfStalled(clock: Clock): (error: unknown) => void {
  let warnedAt = Number.NEGATIVE_INFINITY
  return (error) => {
    if (clock.monotonic() - warnedAt < 60_000) return
    warnedAt = clock.monotonic()
    const why = error instanceof Error ? error.message : String(error)
    process.emitWarning(`Audit entries cannot be written at present, and are kept: ${why}`, { code: 'PW_AUDIT_STALLED' })
  }
}
