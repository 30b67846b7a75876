// How many connections a process may have, over all its databases.
//
// A pool opens a connection with a permit, and the permit is free again when the socket is closed: what the servers count is
// never more than the budget. Where no permit is left, in this order:
//  1. The connection that has been idle for longest, of whichever pool, is closed, and its permit passes on.
//  2. A connection that comes back is closed when its pool has more than its share: the budget divided by the pools in demand.
//  3. Or when a pool without any has waited longer than a quantum: one that is always busy must not keep its permit for ever.
//  4. Otherwise one waits, bounded in number and in time.
// While many pools share the budget, a few permits are kept free by (1) beforehand: the next one to come need not wait for a
// connection to be closed.
// Connecting takes milliseconds, so a quantum is many of them: permits that wander faster than they are used serve nobody.
//
// A pool that is not used is not known here, and has no timer: one sweeper for all closes what was idle for too long.

import type { Backoff } from '../core/backoff.ts'
import type { Clock } from '../core/clock.ts'
import { type Opening, PermitAccount, type PermitHolder, PermitLine, type ServerAccount } from '../core/permit-line.ts'
import { runOutside } from '../core/tenant-context.ts'
import { ConfigurationError, OverloadedError } from '../errors.ts'

export interface ConnectionBudgetOptions {
  /** Connections of the process altogether: those being opened and those being closed are among them. */
  readonly connectionsMax: number
  readonly clock: Clock
  /** Calls that may wait for a connection, over all pools. Default 10,000. */
  readonly waitersMax?: number | undefined
  /** How long a call may wait for a connection, connecting included. Default 10,000. */
  readonly waitTimeoutMs?: number | undefined
  /** After which wait of another pool a busy connection is handed over. Default 50. */
  readonly quantumMs?: number | undefined
}

export interface ConnectionBudgetStats {
  readonly connectionsMax: number
  /** Permits in use: opening, open and closing. */
  readonly inUse: number
  readonly closing: number
  /** Calls that wait for a connection. */
  readonly waiting: number
  /** Pools with connections. */
  readonly pools: number
}

const sweepEveryMs = 30_000
/** Permits kept free while more pools than half of the permits have connections: one of so many, and no more than so many. */
const spareEvery = 16
const sparesMax = 2
const watchEveryMs = 100
/** An attempt to connect that lasts longer is given up when a pool of another server waits for its permit. */
const openingPatienceMs = 1_000

/** The connections of a process: one budget over all its pools. */
export class ConnectionBudget {
  readonly connectionsMax: number
  readonly waitTimeoutMs: number
  readonly #waitersMax: number
  readonly #quantumMs: number
  readonly #clock: Clock
  readonly #line: PermitLine
  /** Pools with connections: no more of them than permits. */
  readonly #holders = new Set<PermitAccount>()
  #free: number
  #closing = 0
  #waiting = 0
  #isLookingSoon = false
  #watch: NodeJS.Timeout | undefined
  #sweeper: NodeJS.Timeout | undefined

  /** @throws {ConfigurationError} when a bound is not a whole number in its range. */
  constructor(options: ConnectionBudgetOptions) {
    this.connectionsMax = whole('connectionsMax', options.connectionsMax, 1)
    this.#waitersMax = whole('waitersMax', options.waitersMax ?? 10_000, 0)
    this.waitTimeoutMs = whole('waitTimeoutMs', options.waitTimeoutMs ?? 10_000, 1)
    this.#quantumMs = whole('quantumMs', options.quantumMs ?? 50, 0)
    this.#clock = options.clock
    this.#free = this.connectionsMax
    this.#line = new PermitLine(options.clock, this.connectionsMax)
  }

  stats(): ConnectionBudgetStats {
    return {
      connectionsMax: this.connectionsMax,
      inUse: this.connectionsMax - this.#free,
      closing: this.#closing,
      waiting: this.#waiting,
      pools: this.#holders.size,
    }
  }

  // ── For the pools ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** For a pool's constructor. It costs nothing until a connection is wanted. */
  account(pool: PermitHolder): PermitAccount {
    return new PermitAccount(pool, this.#line.server(''))
  }

  /** Says where the pool's connections go from now on. */
  moveTo(account: PermitAccount, server: string): void {
    const before = account.server
    if (before.key !== server) this.want(account, 0)
    account.server = this.#line.server(server)
    this.#line.forgetIfIdle(before)
    this.#line.forgetIfIdle(account.server)
  }

  /** What is known against trying the account's server now; undefined when nothing is. */
  obstacle(account: PermitAccount): Backoff | undefined {
    const health = this.#line.tryServer(account.server.key)?.health
    return health === undefined || health.mayTry ? undefined : health
  }

  /** A call begins to wait. @throws {OverloadedError} when too many do. */
  enter(): void {
    if (this.#waiting >= this.#waitersMax) {
      throw new OverloadedError(`${this.#waiting} calls wait for a connection (waitersMax ${this.#waitersMax}).`, {
        details: { bound: 'waitersMax', value: this.#waitersMax },
      })
    }
    this.#waiting += 1
  }

  leave(): void {
    this.#waiting -= 1
  }

  /** How many permits the pool wants beyond those that it has. Each that comes is told by `open()`, perhaps at once. */
  want(account: PermitAccount, wanted: number): void {
    // A server that was forgotten while nothing was wanted may be known again by another pool.
    if (wanted > 0) account.server = this.#line.server(account.server.key)
    this.#line.want(account, wanted)
    if (wanted > 0) this.#dispatch()
  }

  opened(account: PermitAccount, { server }: Opening): void {
    server.health.succeeded()
    this.#doneOpening(account, server)
    if (this.#line.wanted === 0) return
    this.#dispatch()
    // Whoever wanted it may be served already, or gone: then it is idle, and others wait.
    this.#lookSoon()
  }

  /** The attempt failed, and its socket is closed. Whether the server is to blame decides whether others try it. */
  failed(account: PermitAccount, { server, attempt }: Opening, cause: unknown, isServerDown: boolean): void {
    if (isServerDown) server.health.failed(attempt, cause)
    else server.health.abandoned(attempt)
    this.#doneOpening(account, server)
    this.#lost(account)
    this.#free += 1
    if (isServerDown) for (const waiting of this.#line.waitingFor(server)) waiting.pool.onServerDown()
    this.#dispatch()
  }

  /** A connection is given up; its permit is free when `closed` resolves. */
  closing(account: PermitAccount, closed: Promise<void>): void {
    this.#lost(account)
    this.#closing += 1
    void closed.then(() => {
      this.#closing -= 1
      this.#free += 1
      this.#dispatch()
    })
  }

  /** Is the connection that comes back worth more to another pool? Then it is to be closed. */
  isDue(account: PermitAccount): boolean {
    if (this.#line.wanted === 0) return false
    // Somebody will look when this turn is over: what is idle then was of no use to its own pool.
    this.#lookSoon()
    if (this.#shortage() <= 0) return false
    const next = this.#line.next(account)
    if (next === undefined) return false
    const share = Math.ceil(this.connectionsMax / this.#poolsInDemand())
    if (account.live > share) return next.live < share
    return next.live === 0 && this.#clock.monotonic() - next.waitingSince > this.#quantumMs
  }

  // ── Permits ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Passes on what is free, and closes what is idle for whoever waits. */
  #dispatch(): void {
    for (;;) {
      if (this.#free > 0) {
        const next = this.#line.next()
        if (next === undefined) break
        this.#grant(next)
      } else {
        if (this.#shortage() <= 0) break
        const coldest = this.#coldest()
        if (coldest === undefined) break
        coldest.pool.closeColdest()
      }
    }
    this.#setWatch(this.#line.wanted > 0)
    if (this.#line.wanted === 0) this.#spare()
  }

  /** Closes what is coldest before anybody asks. */
  #spare(): void {
    if (this.#holders.size * 2 <= this.connectionsMax) return
    const spares = Math.min(sparesMax, Math.floor(this.connectionsMax / spareEvery))
    while (this.#free + this.#closing < spares) {
      const coldest = this.#coldest()
      if (coldest === undefined) return
      coldest.pool.closeColdest()
    }
  }

  #grant(account: PermitAccount): void {
    this.#free -= 1
    account.live += 1
    account.opening += 1
    account.server.opening += 1
    this.#holders.add(account)
    this.#line.served(account)
    this.#sweeper ??= runOutside(() => setInterval(() => this.#sweep(), sweepEveryMs).unref())
    account.pool.open({ server: account.server, attempt: account.server.health.start() })
  }

  #doneOpening(account: PermitAccount, server: ServerAccount): void {
    account.opening -= 1
    server.opening -= 1
    this.#line.forgetIfIdle(server)
  }

  #lost(account: PermitAccount): void {
    account.live -= 1
    if (account.live === 0) this.#holders.delete(account)
    this.#line.place(account)
    if (this.#holders.size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }

  /** Permits that are wanted, and that neither are free nor will be in a moment. */
  #shortage(): number {
    return this.#line.usable - this.#free - this.#closing
  }

  #poolsInDemand(): number {
    let count = this.#line.starvingCount
    for (const { live, wanted, pool } of this.#holders) if (wanted > 0 || live > pool.idleCount) count += 1
    return Math.max(count, 1)
  }

  #coldest(): PermitAccount | undefined {
    let coldest: PermitAccount | undefined
    let usedAt = Number.POSITIVE_INFINITY
    for (const account of this.#holders) {
      const its = account.pool.coldestUsedAt
      if (its === undefined || its >= usedAt) continue
      coldest = account
      usedAt = its
    }
    return coldest
  }

  // ── Timers ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** After the callers of this turn have taken what they can. */
  #lookSoon(): void {
    if (this.#isLookingSoon) return
    this.#isLookingSoon = true
    runOutside(() =>
      setImmediate(() => {
        this.#isLookingSoon = false
        this.#dispatch()
      }),
    )
  }

  #setWatch(isNeeded: boolean): void {
    if (isNeeded) this.#watch ??= runOutside(() => setInterval(() => this.#look(), watchEveryMs).unref())
    else if (this.#watch !== undefined) {
      clearInterval(this.#watch)
      this.#watch = undefined
    }
  }

  /** While pools wait: attempts to reach a silent server give way to those that want another one. */
  #look(): void {
    this.#dispatch()
    const next = this.#shortage() > 0 ? this.#line.next() : undefined
    if (next === undefined) return
    const startedAt = this.#clock.monotonic() - openingPatienceMs
    for (const account of [...this.#holders]) {
      if (account.opening > 0 && account.server !== next.server) account.pool.abandonOpening(startedAt)
    }
  }

  #sweep(): void {
    const now = this.#clock.monotonic()
    for (const { pool } of [...this.#holders]) pool.sweep(now)
  }
}

function whole(name: string, value: number, min: number): number {
  if (Number.isSafeInteger(value) && value >= min) return value
  throw new ConfigurationError(`${name} is ${value}. Give a whole number of at least ${min}.`)
}
