// Migrations over the fleet: every place of the catalog brought to the newest version, ring by ring.

import type { Actor } from '../../core/actor.ts'
import type { AuditTrail } from '../../core/audit-trail.ts'
import { type Clock, systemClock } from '../../core/clock.ts'
import type { OperationEvent } from '../../core/operation-event.ts'
import { ConfigurationError, MigrationError } from '../../errors.ts'
import type { ControlPool } from '../control-pool.ts'
import type { FleetConnections } from '../fleet-connections.ts'
import type { MigrationLimits } from '../migrations/apply-migrations.ts'
import { lintMigrations } from '../migrations/lint/lint-migrations.ts'
import type { LintFinding } from '../migrations/lint/rule.ts'
import type { MigrationSet } from '../migrations/migration-set.ts'
import { findFleetDrift, type PlaceDrift } from './fleet-drift.ts'
import { assertContinues, assertSameFiles, insertTargets, planRings, type RingPlan } from './planning.ts'
import { budgetDefault, checkedBudget, checkedRings, type ErrorBudget, type Ring } from './ring.ts'
import { Runner } from './runner.ts'
import {
  existing,
  filesUpTo,
  inProgress,
  insertRun,
  isSameWork,
  latestRun,
  type MigrationRun,
  moveRun,
  openRun,
  type RunState,
  reopenTargets,
} from './runs.ts'
import {
  countTargets,
  type FleetStatus,
  listPlaces,
  type PlaceListOptions,
  type PlacePage,
  readStatus,
  type TargetCounts,
} from './status.ts'

export interface RolloutOptions extends MigrationLimits {
  /** The gatekeeper's connections to the catalog. */
  readonly reader: ControlPool
  /** The migrator's connections to the catalog: at least two, better as many as `concurrency` and two. */
  readonly writer: ControlPool
  readonly connections: FleetConnections
  readonly set: MigrationSet
  readonly auditTrail: AuditTrail
  /** Who is migrated before whom. Default: all at once. */
  readonly rings?: readonly Ring[] | undefined
  /** Default: 10 failures. */
  readonly budget?: ErrorBudget | undefined
  /** Batches at a time, 1 to 32. Default 4. */
  readonly concurrency?: number | undefined
  /** After so long without a sign of life a runner is taken for dead. Default 30,000. */
  readonly leaseMs?: number | undefined
  /** How long an operation on a tenant is waited for, before the tenant is skipped. Default 60,000. */
  readonly operationWaitMs?: number | undefined
  readonly clock?: Clock | undefined
}

export interface WorkOptions {
  readonly actor: Actor
  /** Takes effect between two batches. The run stays as it is: whoever comes next goes on with it. */
  readonly signal?: AbortSignal | undefined
  readonly onEvent?: ((event: OperationEvent) => void) | undefined
}

export interface UpOptions extends WorkOptions {
  /** Run it although the lint has found errors in files that are pending. */
  readonly ignoresLint?: boolean | undefined
}

/** What would be done. */
export interface RolloutPlan {
  /** The version that it goes to; undefined when the set is empty. */
  readonly to: string | undefined
  readonly rings: readonly RingPlan[]
  /** Places in all rings. */
  readonly total: number
  /** Of the files that somebody lacks. */
  readonly findings: readonly LintFinding[]
}

/** How it ended: `nothing` when there was nothing to do, `running` when it was interrupted here. */
export interface RolloutResult extends TargetCounts {
  readonly state: RunState | 'nothing'
  readonly id: string | undefined
  readonly version: string | undefined
  readonly reason: string | null
}

/**
 * Migrations over the fleet. The catalog's versions say who is behind; each place's ledger is the truth when it is touched, so that
 * whatever was killed, and wherever, is healed by the next who comes.
 */
export class Rollout {
  readonly #o: RolloutOptions
  readonly #rings: readonly Ring[]
  readonly #budget: ErrorBudget
  readonly #concurrency: number

  /** @throws {ConfigurationError} when rings, budget or concurrency cannot be. */
  constructor(options: RolloutOptions) {
    this.#o = options
    this.#rings = checkedRings(options.rings ?? [])
    this.#budget = checkedBudget(options.budget ?? budgetDefault)
    this.#concurrency = options.concurrency ?? 4
    if (!Number.isInteger(this.#concurrency) || this.#concurrency < 1 || this.#concurrency > 32) {
      throw new ConfigurationError(`concurrency is ${this.#concurrency}; it must be a whole number, 1 to 32.`)
    }
  }

  /**
   * Says what `up` would do, and does nothing.
   *
   * @throws {MigrationError} when the files contradict what has been applied.
   */
  async plan(): Promise<RolloutPlan> {
    const { reader, set } = this.#o
    await assertContinues(reader, set)
    if (set.newest === undefined) return { to: undefined, rings: [], total: 0, findings: [] }
    const rings = await planRings(reader, set.newest, this.#rings)
    const busy = rings.filter(({ databases, schemas }) => databases + schemas > 0)
    const after = busy.some(({ oldest }) => oldest === null) ? undefined : busy.map(({ oldest }) => oldest!).sort()[0]
    return {
      to: set.newest,
      rings,
      total: busy.reduce((sum, { databases, schemas }) => sum + databases + schemas, 0),
      findings: busy.length === 0 ? [] : lintMigrations(set, { after }),
    }
  }

  /**
   * Brings every place to the newest version, or helps whoever is doing the same already. It goes on after failures, up to the budget.
   *
   * @throws {RolloutInProgressError} when another migration of the fleet is not over, or this one is paused or halted.
   * @throws {MigrationError} when the files contradict what has been applied, or the lint finds an error in them.
   */
  async up(options: UpOptions): Promise<RolloutResult> {
    const { reader, writer, set } = this.#o
    const to = set.newest
    const open = await openRun(reader)
    if (open !== undefined) return await this.#join(open, options)
    const plan = await this.plan()
    if (to === undefined || plan.total === 0) return { ...nothing, version: to }
    const refused = plan.findings.filter(({ level }) => level !== 'warning')
    if (refused.length > 0 && options.ignoresLint !== true) throw lintRefusal(refused)
    const run = await writer.transaction(async (catalog) => {
      const { actor } = options
      const made = await insertRun(catalog, { version: to, files: filesUpTo(set, to), rings: this.#rings, budget: this.#budget, actor })
      if (made !== undefined) await insertTargets(catalog, made)
      return made
    })
    // Somebody was faster by a moment.
    if (run === undefined) return await this.#join(existing(await latestRun(writer)), options)
    await this.#record('migration.started', run, options.actor, undefined)
    return await this.#run(run, options)
  }

  /**
   * Goes on with the last run: what is pending, what failed, and what was skipped. What is done is not touched.
   *
   * @throws {RolloutNotFoundError} when there is none, it was aborted, or all of it is done.
   * @throws {MigrationError} when the files are not those that it was begun with.
   */
  async resume(options: WorkOptions): Promise<RolloutResult> {
    const { reader, writer, set } = this.#o
    const last = existing(await latestRun(reader))
    assertSameFiles(set, last.files)
    const run = await writer.transaction(async (catalog) => {
      const moved = await moveRun(catalog, last.id, { from: ['running', 'paused', 'halted', 'done'], to: 'running' })
      // Who is at work at this moment is not disturbed.
      if (moved !== undefined && last.state !== 'running') await reopenTargets(catalog, last.id)
      return moved
    })
    await this.#record('migration.resumed', existing(run), options.actor, undefined)
    return await this.#run(existing(run), options)
  }

  /** Lets runners, in whatever process, end after the batches that they are at. When it returns, no other begins. */
  async pause({ actor, reason }: { readonly actor: Actor; readonly reason?: string | undefined }): Promise<MigrationRun> {
    return await this.#stop({ action: 'migration.paused', actor, reason, from: ['running'], to: 'paused' })
  }

  /** Ends a run for good. What has been applied stays; what has not is left to the next run. */
  async abort({ actor, reason }: { readonly actor: Actor; readonly reason?: string | undefined }): Promise<MigrationRun> {
    return await this.#stop({ action: 'migration.aborted', actor, reason, from: ['running', 'paused', 'halted'], to: 'aborted' })
  }

  /** Who is where: counts by version, the last run with counts by ring. Trusts the catalog. */
  async status(): Promise<FleetStatus> {
    return await readStatus(this.#o.reader, this.#o.set.newest)
  }

  /** Place by place, a page at a time, each with what became of it and why. */
  async places(options: PlaceListOptions = {}): Promise<PlacePage> {
    return await listPlaces(this.#o.reader, this.#o.set.newest, options)
  }

  /** Every place against the shape that its version should have, with the SQL that mends it. Yields those that are sound too. */
  drift(options: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<PlaceDrift> {
    const { reader, connections, set } = this.#o
    return findFleetDrift({ reader, connections, set, signal: options.signal })
  }

  async #join(open: MigrationRun, options: UpOptions): Promise<RolloutResult> {
    const { set } = this.#o
    const isSame = set.newest !== undefined && isSameWork(open, filesUpTo(set, set.newest), set.newest)
    if (!isSame || open.state !== 'running') throw inProgress(open)
    return await this.#run(open, options)
  }

  async #run(run: MigrationRun, { signal = new AbortController().signal, onEvent = () => {} }: WorkOptions): Promise<RolloutResult> {
    const { writer, connections, set, leaseMs = 30_000, operationWaitMs = 60_000, clock = systemClock } = this.#o
    const { lockTimeoutMs, statementTimeoutMs } = this.#o
    const limits = { lockTimeoutMs, statementTimeoutMs }
    const concurrency = this.#concurrency
    const state = await new Runner({
      writer,
      connections,
      set,
      run,
      concurrency,
      leaseMs,
      operationWaitMs,
      limits,
      clock,
      signal,
      onEvent,
    }).go()
    const { reason } = existing(await latestRun(writer))
    return { state, id: run.id, version: run.version, reason, ...(await countTargets(writer, run.id)) }
  }

  async #stop(change: {
    readonly action: string
    readonly actor: Actor
    readonly reason: string | undefined
    readonly from: readonly RunState[]
    readonly to: RunState
  }): Promise<MigrationRun> {
    const { action, actor, ...move } = change
    const open = existing(await openRun(this.#o.writer))
    const run = existing(await moveRun(this.#o.writer, open.id, move))
    await this.#record(action, run, actor, change.reason)
    return run
  }

  async #record(action: string, { id, version }: MigrationRun, actor: Actor, reason: string | undefined): Promise<void> {
    await this.#o.auditTrail.record({
      action,
      outcome: 'allowed',
      actor,
      tenantId: undefined,
      requestId: undefined,
      reason,
      details: { run: id, version },
    })
  }
}

const nothing = { state: 'nothing', id: undefined, reason: null, pending: 0, running: 0, done: 0, failed: 0, skipped: 0 } as const

function lintRefusal(findings: readonly LintFinding[]): MigrationError {
  const [first, ...others] = findings
  const more = others.length > 0 ? ` And ${others.length} more: partywall migrate lint.` : ''
  return new MigrationError(`${first?.file}:${first?.line}: ${first?.problem} ${first?.remedy}${more}`, { details: { findings } })
}
