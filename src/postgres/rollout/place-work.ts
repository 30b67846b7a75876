// A batch of schemas in one database, brought to a version. Most of it is one round trip; where that fails, the one that failed is
// done by itself, which tells why, and the others go on.
//
//   ledger ──> as they are ──> compiled, in one query ──> all done
//                                      │ one failed
//                                      └──> ledger ──> that one alone: file by file, with retries ──> the others, compiled
//
// The commits of a compiled batch do not wait for the disk, each a moment: DDL and the ledger's row are in one transaction, so that a
// crash of the server takes both or neither. Only the catalog must not hear of what could still be lost. So the batch ends with a
// commit that does wait, and what was committed before it in that server is then on the disk too: its log is one.

import pg from 'pg'
import { AbortedError, DatabaseUnavailableError, MigrationError, TenancyError } from '../../errors.ts'
import { type ControlPool, isConnectionFailure } from '../control-pool.ts'
import { applyMigrations, type MigrationLimits } from '../migrations/apply-migrations.ts'
import { type CompiledMigrations, compileMigrations } from '../migrations/compile.ts'
import type { MigrationSet } from '../migrations/migration-set.ts'
import type { Target } from './claims.ts'
import type { TargetOutcome } from './outcomes.ts'
import { readTruth } from './place-truth.ts'

/** What is to be done to places. */
export interface PlaceWork extends MigrationLimits {
  readonly set: MigrationSet
  /** The version to bring them to. */
  readonly to: string
  /** Who the ledger says has applied it. */
  readonly appliedBy: string
  /** After more failures than these the rest of the batch is left as it is. */
  readonly failuresLeft: number
  readonly signal: AbortSignal
}

/** A place that collides with locks, or cannot be reached, is tried so often, with these pauses between; then it has failed. */
const attemptsMax = 5
const firstDelayMs = 1_000
/** Attempts in a row, before others have their turn. */
const retry = { attemptsMax: 3 } as const

/** Works on places of one database. Every one of them has its outcome: nothing is thrown but what is nobody's fault. */
export async function migratePlaces(control: ControlPool, targets: readonly Target[], work: PlaceWork): Promise<readonly TargetOutcome[]> {
  const batch = new PlaceBatch(control, targets, work)
  return await batch.run()
}

/** The outcome of what could not be tried: nobody answered. */
export function unreached(target: Target, error: unknown): TargetOutcome {
  const isFinal = target.attempts + 1 >= attemptsMax || !isPassing(error)
  return {
    position: target.position,
    state: isFinal ? 'failed' : 'pending',
    version: undefined,
    error: problemOf(error),
    delayMs: firstDelayMs * 2 ** target.attempts,
  }
}

class PlaceBatch {
  readonly #control: ControlPool
  readonly #targets: readonly Target[]
  readonly #work: PlaceWork
  readonly #outcomes = new Map<number, TargetOutcome>()
  #failures = 0
  #mustFlush = false

  constructor(control: ControlPool, targets: readonly Target[], work: PlaceWork) {
    this.#control = control
    this.#targets = targets
    this.#work = work
  }

  async run(): Promise<readonly TargetOutcome[]> {
    try {
      await this.#bySchemaVersion()
      if (this.#mustFlush) await this.#flush()
    } catch (error) {
      // What was done before the connection broke, the ledger tells the next one who asks.
      this.#outcomes.clear()
      for (const target of this.#targets) this.#outcomes.set(target.position, unreached(target, error))
    }
    const untouched = (position: number): TargetOutcome => ({ position, state: 'pending', version: undefined })
    return this.#targets.map(({ position }) => this.#outcomes.get(position) ?? untouched(position))
  }

  async #bySchemaVersion(): Promise<void> {
    const { set, to } = this.#work
    const truth = await readTruth(
      this.#control,
      this.#targets.map(({ schema }) => schema),
      set,
    )
    const groups = new Map<string | null, Target[]>()
    const alone: Target[] = []
    for (const target of this.#targets) {
      const { version, isSound } = truth.get(target.schema)!
      if (!isSound) alone.push(target)
      else if (version !== null && version >= to) this.#done(target, version)
      else groups.set(version, [...(groups.get(version) ?? []), target])
    }
    for (const [from, targets] of groups) {
      const compiled = compileMigrations(set, from, to, this.#work)
      if (compiled === undefined) alone.push(...targets)
      else await this.#together(compiled, targets)
    }
    for (const target of alone) await this.#alone(target)
  }

  async #together(compiled: CompiledMigrations, targets: readonly Target[]): Promise<void> {
    for (let rest = targets; rest.length > 0 && this.#mayGoOn(); ) {
      try {
        await this.#control.query(batchText(compiled, rest))
        for (const target of rest) this.#done(target, compiled.to)
        return
      } catch (error) {
        if (isUnavailable(error)) throw error
        this.#mustFlush = true
      }
      const truth = await readTruth(
        this.#control,
        rest.map(({ schema }) => schema),
        this.#work.set,
      )
      const isDone = ({ schema }: Target): boolean => truth.get(schema)?.version === compiled.to
      for (const target of rest.filter(isDone)) this.#done(target, compiled.to)
      // They run in their order, so that the first that is not done is the one that failed.
      const [failed, ...others] = rest.filter((target) => !isDone(target))
      if (failed !== undefined) await this.#alone(failed)
      rest = others
    }
  }

  async #alone(target: Target): Promise<void> {
    if (!this.#mayGoOn()) return
    const { set, to, signal } = this.#work
    try {
      await applyMigrations(this.#control, target.schema, set, { ...this.#work, to, signal, retry })
      this.#done(target, to)
    } catch (error) {
      if (isUnavailable(error)) throw error
      if (error instanceof AbortedError) return
      const version = (await readTruth(this.#control, [target.schema], set)).get(target.schema)?.version
      const outcome = { ...unreached(target, error), version }
      if (outcome.state === 'failed') this.#failures += 1
      this.#outcomes.set(target.position, outcome)
    }
  }

  #done({ position }: Target, version: string): void {
    this.#outcomes.set(position, { position, state: 'done', version })
  }

  #mayGoOn(): boolean {
    return !this.#work.signal.aborted && this.#failures <= this.#work.failuresLeft
  }

  /** A commit that waits for the disk. */
  async #flush(): Promise<void> {
    const done = this.#targets.find(({ position }) => this.#outcomes.get(position)?.state === 'done')
    if (done !== undefined) await this.#control.query(flushText(done.schema))
  }
}

function batchText(compiled: CompiledMigrations, targets: readonly Target[]): string {
  const texts = targets.map(({ schema }) => compiled.text(schema))
  return `set synchronous_commit = off;\n${texts.join('')}reset synchronous_commit;\n${flushText(targets[0]!.schema)}`
}

/** It changes nothing, and is written to the log as if it did. */
function flushText(schema: string): string {
  return `update partywall.ledger set file = file where (schema_name, version) = (select l.schema_name, max(l.version) from partywall.ledger as l where l.schema_name = ${pg.escapeLiteral(schema)} group by l.schema_name)`
}

function isUnavailable(error: unknown): boolean {
  return error instanceof DatabaseUnavailableError || isConnectionFailure(error)
}

/** May it go better the next time, without anybody doing anything? */
function isPassing(error: unknown): boolean {
  return isUnavailable(error) || (error instanceof MigrationError && error.retryable)
}

/** For whoever reads the status. */
export function problemOf(error: unknown): { readonly code: string; readonly message: string } {
  const message = error instanceof Error ? error.message : String(error)
  return { code: error instanceof TenancyError ? error.code : 'PW_INTERNAL', message }
}
