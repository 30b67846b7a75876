// A runner: some lanes that claim batches, do them and write down what became of them, until nothing is left or somebody says stop.
// Memory holds one batch for each lane, whatever the fleet is. Several runners, in one process or many, share the work.

import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '../../core/clock.ts'
import type { OperationEvent } from '../../core/operation-event.ts'
import type { ControlPool } from '../control-pool.ts'
import type { FleetConnections } from '../fleet-connections.ts'
import type { MigrationLimits } from '../migrations/apply-migrations.ts'
import { withAttempts } from '../migrations/attempts.ts'
import { isContention } from '../migrations/migration-failure.ts'
import type { MigrationSet } from '../migrations/migration-set.ts'
import { type Claim, type ClaimRequest, claimBatch, extendClaims, type Target } from './claims.ts'
import { settleBatch, type TargetOutcome } from './outcomes.ts'
import { migratePlaces, type PlaceWork, unreached } from './place-work.ts'
import { insertTargets } from './planning.ts'
import { finishRun, type MigrationRun, moveRun, type RunState } from './runs.ts'
import { countTargets } from './status.ts'

export interface RunnerOptions {
  /** The migrator's connections to the catalog. */
  readonly writer: ControlPool
  readonly connections: FleetConnections
  readonly set: MigrationSet
  readonly run: MigrationRun
  /** Batches at a time. */
  readonly concurrency: number
  readonly leaseMs: number
  readonly operationWaitMs: number
  readonly limits: MigrationLimits
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly onEvent: (event: OperationEvent) => void
}

/** Schemas in one round trip, at most; and how long such a trip should take, so that a pause is heard of soon. */
const schemasMax = 50
const batchWantedMs = 1_000
/** A text of so many characters, and no longer one. */
const batchLengthMax = 4_000_000
const pollMs = 250
const progressEveryMs = 500

export class Runner {
  readonly #o: RunnerOptions
  readonly #name = `runner ${randomUUID()}`
  readonly #textLength: number
  /** Of late; undefined before the first batch. */
  #msPerSchema: number | undefined
  #saidMs = 0
  #end: RunState | undefined

  constructor(options: RunnerOptions) {
    this.#o = options
    const pending = options.set.files.filter(({ version }) => version <= options.run.version)
    this.#textLength = Math.max(1, ...pending.map(({ text }) => text.length))
  }

  /** Works until the run is not running any more, or the signal fires. @returns the run's state, as far as it is known here. */
  async go(): Promise<RunState> {
    const { writer, run, concurrency, signal } = this.#o
    const stop = this.#beat()
    try {
      await this.#tell(true)
      for (;;) {
        await Promise.all(Array.from({ length: concurrency }, () => this.#lane()))
        if (this.#end !== undefined || signal.aborted) break
        // Who came since it was planned has to come along.
        if ((await insertTargets(writer, run)) === 0 && (await finishRun(writer, run.id))) this.#end = 'done'
      }
      await this.#tell(true)
      return this.#end ?? 'running'
    } finally {
      stop()
    }
  }

  async #lane(): Promise<void> {
    const { run, writer, signal } = this.#o
    try {
      while (this.#end === undefined && !signal.aborted) {
        const claim = await this.#claim()
        switch (claim.kind) {
          case 'finished':
            return
          case 'stopped':
            this.#end = claim.state
            return
          case 'exhausted':
            this.#end = (await moveRun(writer, run.id, { from: ['running'], to: 'halted', reason: claim.reason }))?.state ?? 'halted'
            return
          case 'wait':
            await wait(pollMs, undefined, { signal }).catch(() => undefined)
            break
          case 'batch':
            await this.#work(claim)
        }
        await this.#tell(false)
      }
    } catch (error) {
      // The other lanes end after their batch; what this one had is free again when its lease is over.
      this.#end ??= 'running'
      throw error
    }
  }

  async #claim(): Promise<Claim> {
    return await this.#patiently(() => claimBatch(this.#o.writer, { ...this.#request(), schemasMax: this.#batchSize() }))
  }

  async #work({ targets, failuresLeft }: Claim & { readonly kind: 'batch' }): Promise<void> {
    const { clock, set, run, limits, signal } = this.#o
    const startedMs = clock.monotonic()
    const work: PlaceWork = { ...limits, set, to: run.version, appliedBy: `partywall migrate, run ${run.id}`, failuresLeft, signal }
    const [first] = targets
    const outcomes =
      first?.kind === 'schema'
        ? await this.#inDatabase(targets, work)
        : (await Promise.all(targets.map((target) => this.#inDatabase([target], work)))).flat()
    const judged = await this.#withoutTheGone(targets, outcomes)
    await this.#patiently(() => settleBatch(this.#o.writer, this.#request(), judged))
    if (first?.kind === 'schema') this.#learn((clock.monotonic() - startedMs) / targets.length)
    this.#tellFailures(targets, judged)
  }

  async #inDatabase(targets: readonly Target[], work: PlaceWork): Promise<readonly TargetOutcome[]> {
    try {
      return await this.#o.connections.asMigrator(targets[0]!.database, (control) => migratePlaces(control, targets, work))
    } catch (error) {
      return targets.map((target) => unreached(target, error))
    }
  }

  /** What failed because it was removed meanwhile has not failed. */
  async #withoutTheGone(targets: readonly Target[], outcomes: readonly TargetOutcome[]): Promise<readonly TargetOutcome[]> {
    const suspects = new Set(outcomes.filter(({ error }) => error !== undefined).map(({ position }) => position))
    if (suspects.size === 0) return outcomes
    const asked = targets.filter(({ position }) => suspects.has(position))
    const there = await this.#o.writer.query<{ database: string; schema: string }>(
      `select p.database_name as database, p.schema_name as schema
         from partywall.places as p
         join unnest($1::text[], $2::text[]) as a (database_name, schema_name) on a.database_name = p.database_name and a.schema_name = p.schema_name`,
      [asked.map(({ database }) => database), asked.map(({ schema }) => schema)],
    )
    const places = new Set(there.map(({ database, schema }) => `${database} ${schema}`))
    const gone = new Set(asked.filter(({ database, schema }) => !places.has(`${database} ${schema}`)).map(({ position }) => position))
    return outcomes.map((outcome) =>
      gone.has(outcome.position)
        ? {
            position: outcome.position,
            state: 'skipped',
            version: undefined,
            error: { code: 'gone', message: 'It was removed while it was migrated.' },
          }
        : outcome,
    )
  }

  #request(): ClaimRequest {
    const { run, leaseMs, operationWaitMs } = this.#o
    return { runId: run.id, runner: this.#name, leaseMs, schemasMax, operationWaitMs }
  }

  #batchSize(): number {
    const byTime = this.#msPerSchema === undefined ? 5 : batchWantedMs / this.#msPerSchema
    return Math.max(1, Math.min(schemasMax, Math.floor(byTime), Math.floor(batchLengthMax / this.#textLength)))
  }

  #learn(ms: number): void {
    this.#msPerSchema = this.#msPerSchema === undefined ? ms : (this.#msPerSchema + ms) / 2
  }

  async #patiently<T>(fn: () => Promise<T>): Promise<T> {
    return await withAttempts({ signal: new AbortController().signal, isRetried: isContention }, fn)
  }

  #beat(): () => void {
    const timer = setInterval(() => {
      // When the catalog does not answer, the leases run out by themselves.
      void extendClaims(this.#o.writer, this.#request()).catch(() => undefined)
    }, this.#o.leaseMs / 3)
    timer.unref()
    return () => clearInterval(timer)
  }

  async #tell(isDue: boolean): Promise<void> {
    const { clock, writer, run, onEvent } = this.#o
    if (!isDue && clock.monotonic() - this.#saidMs < progressEveryMs) return
    this.#saidMs = clock.monotonic()
    const { done, failed, running, pending } = await countTargets(writer, run.id)
    onEvent({ kind: 'progress', done, failed, running, total: done + failed + running + pending })
  }

  #tellFailures(targets: readonly Target[], outcomes: readonly TargetOutcome[]): void {
    for (const [at, { state, error }] of outcomes.entries()) {
      const { tenantId, database, schema } = targets[at]!
      if (state !== 'failed') continue
      const tenant = tenantId ?? `${database}.${schema}`
      this.#o.onEvent({ kind: 'step', operation: 'migrate', tenant, step: this.#o.run.version, state, message: error?.message })
    }
  }
}
