// The recorder: takes what every door reports, and writes it to the tenants' logs in batches. It never drops what it took: when a log
// cannot be written, its batches are kept and sent again, and past a bound whoever wants to do more for that tenant waits first.

import { AuditUnavailableError, ClosedError } from '../errors.ts'
import { AuditBatch, type AuditFact } from './audit-batch.ts'
import type { AuditAppendOutcome, AuditLog, AuditPayload } from './audit-log.ts'
import type { Clock } from './clock.ts'
import { settledWithin } from './settled-within.ts'
import type { Tenant, TenantId } from './tenant.ts'
import { runOutside } from './tenant-context.ts'

export interface AuditRecorderOptions {
  readonly log: AuditLog
  readonly clock: Clock
  /** How long an entry may wait for others, in milliseconds: 10 to 60,000; default 1,000. What a killed process loses, besides what is under way. */
  readonly flushEveryMs?: number | undefined
  /** Characters that may be buffered for one tenant, and for all. Beyond it calls wait before they are sent. Default 4 and 64 Mi. */
  readonly tenantBufferMax?: number | undefined
  readonly bufferMax?: number | undefined
  /** How long a call waits for room, or for a record that must come first, before it is refused, in milliseconds. Default 10,000. */
  readonly waitMs?: number | undefined
  /** Told once for each tenant whose schema has no audit log: what was recorded of it is kept nowhere. */
  readonly onMissing?: ((tenant: Tenant) => void) | undefined
  /** Told when a group's logs could not be written, with the error; what was to be written is kept. */
  readonly onStalled?: ((error: unknown) => void) | undefined
}

/** How the recorder stands. */
export interface AuditRecorderStats {
  /** Entries that are in no log yet, and about how many characters they take. */
  readonly entries: number
  readonly buffered: number
  /** Age of the oldest of them, in milliseconds. */
  readonly oldestMs: number
  /** Since the start: entries that were appended, those for which there was no log, and times that writing failed. */
  readonly appended: number
  readonly missing: number
  readonly failures: number
}

/** Longest text of one batch: past it the next one is begun. */
const batchMax = 262_144
/** Batches a call of the port. */
const batchesMax = 500

interface Sealed {
  readonly payload: string
  readonly entries: number
  readonly at: number
}

/** What is kept for one tenant, in the order in which it is to be appended. */
interface Line {
  tenant: Tenant
  open: AuditBatch
  readonly sealed: Sealed[]
  buffered: number
  isUnderWay: boolean
  /** Failures since the last success, and the monotonic time before which it is not tried again. */
  failures: number
  notBefore: number
  readonly waiters: Set<Waiter>
}

/** Whoever waits for the end of what is there now. */
interface Waiter {
  /** Batches that are still to be appended. */
  left: number
  readonly settle: (outcome: AuditAppendOutcome) => void
}

/** @example
 * ```ts
 * await recorder.admit(tenant)
 * const { rows } = await run()
 * recorder.record(tenant, { at: clock.now(), by, of, outcome: 'done', rows: rows.length })
 * ```
 */
export class AuditRecorder {
  readonly #log: AuditLog
  readonly #clock: Clock
  readonly #flushEveryMs: number
  readonly #tenantBufferMax: number
  readonly #bufferMax: number
  readonly #waitMs: number
  /** Between tries: so that whoever waits sees some. */
  readonly #pauseMaxMs: number
  readonly #onMissing: (tenant: Tenant) => void
  readonly #onStalled: (error: unknown) => void
  readonly #lines = new Map<TenantId, Line>()
  readonly #missing = new Set<TenantId>()
  readonly #underWay = new Set<Promise<void>>()
  readonly #roomWaiters = new Set<() => void>()
  #buffered = 0
  #appended = 0
  #notKept = 0
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #isClosing = false

  constructor(options: AuditRecorderOptions) {
    this.#log = options.log
    this.#clock = options.clock
    this.#flushEveryMs = Math.max(10, Math.min(options.flushEveryMs ?? 1_000, 60_000))
    this.#tenantBufferMax = options.tenantBufferMax ?? 4 * 1024 * 1024
    this.#bufferMax = options.bufferMax ?? 64 * 1024 * 1024
    this.#waitMs = options.waitMs ?? 10_000
    this.#pauseMaxMs = Math.min(5_000, this.#waitMs / 4)
    this.#onMissing = options.onMissing ?? (() => {})
    this.#onStalled = options.onStalled ?? (() => {})
  }

  /** Was it found that the tenant's schema has no audit log? It is looked for again after a minute. */
  isMissing(tenantId: TenantId): boolean {
    return this.#missing.has(tenantId)
  }

  /** Is there room for more of this tenant? Then nothing has to be awaited. */
  hasRoom(tenantId: TenantId): boolean {
    return this.#buffered < this.#bufferMax && (this.#lines.get(tenantId)?.buffered ?? 0) < this.#tenantBufferMax
  }

  /**
   * Waits until there is room: before a statement is sent, so that what has been done can always be taken.
   *
   * @throws {AuditUnavailableError} when there is none within `waitMs`. Nothing was sent.
   * @throws {ClosedError} once the recorder is being closed.
   */
  async admit(tenant: Tenant): Promise<void> {
    const deadline = this.#clock.monotonic() + this.#waitMs
    while (!this.hasRoom(tenant.id)) {
      if (this.#isClosing) throw new ClosedError('The tenancy is being closed.')
      const left = deadline - this.#clock.monotonic()
      if (left <= 0) {
        throw new AuditUnavailableError(
          `The audit log of tenant ${tenant.id} cannot be written, and as much as may wait for it is waiting. Nothing was sent.`,
          { details: { tenantId: tenant.id } },
        )
      }
      this.#flushNow()
      await this.#roomWithin(Math.min(left, 250))
    }
  }

  /** Takes what happened. It is in the log within `flushEveryMs` and the time of a write. */
  record(tenant: Tenant, fact: AuditFact): void {
    if (this.#missing.has(tenant.id)) {
      this.#notKept += 1
      return
    }
    const line = this.#lineOf(tenant)
    line.tenant = tenant
    const { open } = line
    const before = open.size
    open.add(fact)
    this.#grow(line, open.size - before)
    if (open.size > batchMax) this.#seal(line)
    if (this.#timer === undefined) this.#schedule(this.#flushEveryMs)
  }

  /**
   * The same, and it is durable when this resolves. With it everything of this tenant that was recorded before.
   *
   * @throws {AuditUnavailableError} when it is not durable within `waitMs`, or the tenant has no log. It may be in the log still.
   */
  async recordFirst(tenant: Tenant, fact: AuditFact): Promise<void> {
    if (this.#missing.has(tenant.id)) throw noLog(tenant)
    this.record(tenant, fact)
    const line = this.#lineOf(tenant)
    const { promise, resolve } = Promise.withResolvers<AuditAppendOutcome | 'late'>()
    // Whoever comes while another is being written shares the next one.
    const waiter: Waiter = { left: line.sealed.length + (line.open.count > 0 ? 1 : 0), settle: resolve }
    line.waiters.add(waiter)
    const late = runOutside(() => setTimeout(() => resolve('late'), this.#waitMs))
    this.#send([line])
    const outcome = await promise
    clearTimeout(late)
    line.waiters.delete(waiter)
    if (outcome === 'appended') return
    if (outcome === 'no_log') throw noLog(tenant)
    throw new AuditUnavailableError(
      `The audit log of tenant ${tenant.id} could not be written within ${this.#waitMs} ms. Nothing was sent.`,
      {
        details: { tenantId: tenant.id },
      },
    )
  }

  /** Resolves when everything that was recorded until now is in the logs, or has failed once more. */
  async flush(): Promise<void> {
    // What is under way may be a try that has begun before what made it fail was over.
    if (this.#underWay.size > 0) await Promise.allSettled([...this.#underWay])
    for (const line of this.#lines.values()) line.notBefore = 0
    this.#flushNow()
    while (this.#underWay.size > 0) await Promise.allSettled([...this.#underWay])
  }

  get stats(): AuditRecorderStats {
    const lines = [...this.#lines.values()]
    const entries = lines.reduce((sum, { open, sealed }) => sum + open.count + sealed.reduce((more, batch) => more + batch.entries, 0), 0)
    const oldest = Math.min(...lines.map(({ open, sealed }) => sealed[0]?.at ?? (open.count > 0 ? open.at : Number.POSITIVE_INFINITY)))
    return {
      entries,
      buffered: this.#buffered,
      oldestMs: Number.isFinite(oldest) ? Math.max(0, this.#clock.now() - oldest) : 0,
      appended: this.#appended,
      missing: this.#notKept,
      failures: this.#failures,
    }
  }

  /**
   * Writes what is left, for as long as a call would wait.
   *
   * @throws {AuditUnavailableError} when something could not be written: how many entries of how many tenants.
   */
  async close(): Promise<void> {
    this.#isClosing = true
    const deadline = this.#clock.monotonic() + this.#waitMs
    for (;;) {
      // A log that does not answer is not waited for any longer than one that says no.
      await settledWithin(this.flush(), Math.max(0, deadline - this.#clock.monotonic()))
      if (this.#lines.size === 0 || this.#clock.monotonic() >= deadline) break
      await pause(50)
    }
    clearTimeout(this.#timer)
    this.#timer = undefined
    const { entries } = this.stats
    if (entries === 0) return
    throw new AuditUnavailableError(`${entries} audit entries of ${this.#lines.size} tenants could not be written before the end.`)
  }

  #lineOf(tenant: Tenant): Line {
    const found = this.#lines.get(tenant.id)
    if (found !== undefined) return found
    const line: Line = {
      tenant,
      open: new AuditBatch(),
      sealed: [],
      buffered: 0,
      isUnderWay: false,
      failures: 0,
      notBefore: 0,
      waiters: new Set(),
    }
    this.#lines.set(tenant.id, line)
    return line
  }

  #grow(line: Line, by: number): void {
    line.buffered += by
    this.#buffered += by
  }

  #seal(line: Line): void {
    const { open } = line
    if (open.count === 0) return
    const payload = open.seal(crypto.randomUUID())
    line.sealed.push({ payload, entries: open.count, at: open.at })
    this.#grow(line, payload.length - open.size)
    line.open = new AuditBatch()
  }

  #schedule(inMs: number): void {
    // For all tenants, and so in nobody's context.
    this.#timer = runOutside(() =>
      setTimeout(() => {
        this.#timer = undefined
        this.#flushNow()
      }, inMs),
    )
    this.#timer.unref()
  }

  #flushNow(): void {
    const now = this.#clock.monotonic()
    const groups = new Map<string, Line[]>()
    for (const line of this.#lines.values()) {
      if (line.isUnderWay || line.notBefore > now) continue
      const group = this.#log.groupOf(line.tenant)
      const lines = groups.get(group)
      if (lines === undefined) groups.set(group, [line])
      else lines.push(line)
    }
    for (const lines of groups.values())
      for (let start = 0; start < lines.length; start += batchesMax) this.#send(lines.slice(start, start + batchesMax))
    if (this.#lines.size > 0 && this.#timer === undefined) this.#schedule(this.#flushEveryMs)
  }

  /** Sends what these lines have, unless it is being sent already: who waits for it is then served by the next one. */
  #send(lines: readonly Line[]): void {
    const idle = lines.filter(({ isUnderWay }) => !isUnderWay)
    if (idle.length === 0) return
    const sending = runOutside(async () => await this.#append(idle)).finally(() => this.#underWay.delete(sending))
    this.#underWay.add(sending)
  }

  async #append(lines: readonly Line[]): Promise<void> {
    const counts = lines.map((line) => {
      line.isUnderWay = true
      this.#seal(line)
      return Math.min(line.sealed.length, Math.max(1, Math.floor(batchesMax / lines.length)))
    })
    const batches = lines.flatMap(({ tenant, sealed, failures }, index): AuditPayload[] =>
      sealed.slice(0, counts[index]).map(({ payload }) => ({ tenant, payload, isRetry: failures > 0 })),
    )
    let outcomes: ReadonlyMap<TenantId, AuditAppendOutcome>
    try {
      outcomes = await this.#log.append(batches)
    } catch (error) {
      this.#failures += 1
      outcomes = new Map()
      this.#onStalled(error)
    }
    for (const [index, line] of lines.entries()) {
      line.isUnderWay = false
      this.#settle(line, counts[index]!, outcomes.get(line.tenant.id) ?? 'again')
    }
    for (const wake of [...this.#roomWaiters]) wake()
    // Somebody waits for what came meanwhile.
    this.#send(lines.filter(({ waiters, notBefore }) => [...waiters].some(({ left }) => left > 0) && notBefore <= this.#clock.monotonic()))
  }

  #settle(line: Line, count: number, outcome: AuditAppendOutcome): void {
    if (outcome === 'again') {
      line.failures += 1
      line.notBefore = this.#clock.monotonic() + Math.min(this.#pauseMaxMs, 50 * 2 ** Math.min(line.failures, 10))
      if (line.waiters.size > 0) runOutside(() => setTimeout(() => this.#send([line]), line.notBefore - this.#clock.monotonic()).unref())
      return
    }
    line.failures = 0
    line.notBefore = 0
    // Without a log nothing of it will ever be kept.
    const done = line.sealed.splice(0, outcome === 'appended' ? count : line.sealed.length)
    this.#grow(line, -done.reduce((sum, { payload }) => sum + payload.length, 0))
    const entries = done.reduce((sum, batch) => sum + batch.entries, 0)
    if (outcome === 'appended') this.#appended += entries
    else {
      this.#notKept += entries
      if (outcome === 'no_log') this.#noteMissing(line.tenant)
    }
    for (const waiter of line.waiters) {
      waiter.left -= count
      if (waiter.left <= 0 || outcome !== 'appended') waiter.settle(outcome)
    }
    if (line.sealed.length === 0 && line.open.count === 0) this.#lines.delete(line.tenant.id)
  }

  #noteMissing(tenant: Tenant): void {
    this.#missing.add(tenant.id)
    // A migration may bring it.
    runOutside(() => setTimeout(() => this.#missing.delete(tenant.id), 60_000).unref())
    this.#onMissing(tenant)
  }

  #roomWithin(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#roomWaiters.delete(done)
        resolve()
      }
      const timer = runOutside(() => setTimeout(done, ms))
      this.#roomWaiters.add(done)
    })
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise<void>((resolve) => runOutside(() => setTimeout(resolve, ms)))
}

function noLog(tenant: Tenant): AuditUnavailableError {
  return new AuditUnavailableError(
    `The schema of tenant ${tenant.id} has no audit log, and this has to be recorded first. Call partywall.create_audit_log() in a migration.`,
    { details: { tenantId: tenant.id } },
  )
}
