// The app's connections to one database. Bounded by the slots of the queue before it and by the budget of the process: whoever
// holds a slot gets a connection when the budget has a permit for it.
// The only file that opens connections which can see tenants' rows.
//
//   take()   idle? ── yes ─────────────────────────────► connection
//              │ no
//              ▼
//            the line of takers ◄── a connection that comes back, or one newly opened: first come, first served
//              │ more takers than attempts under way
//              ▼
//            credentials ──► a permit of the budget ──► connect
//
// Nobody waits for a particular connection: of two takers the first gets whichever is there first. While the server has not
// answered yet, one attempt at a time is made; once it has failed, callers are told so at once, until a probe succeeds.

import pg from 'pg'
import type { Attempt } from '../core/backoff.ts'
import { Backoff } from '../core/backoff.ts'
import type { Clock } from '../core/clock.ts'
import type { Opening, PermitAccount } from '../core/permit-line.ts'
import { runOutside } from '../core/tenant-context.ts'
import { AbortedError, AdmissionTimeoutError, ClosedError, ConfigurationError, DatabaseUnavailableError, TenancyError } from '../errors.ts'
import { Connection, type ConnectionConfig } from './connection.ts'
import { ConnectionBudget } from './connection-budget.ts'
import { isConnectionFailure } from './control-pool.ts'
import { type CredentialSource, Credentials, serverOf } from './credentials.ts'

export interface ConnectionPoolOptions {
  /** Where to connect, and as whom: this, or `credentials`. */
  readonly connectionString?: string | undefined
  /** Asked when the first connection is opened, and again when the server refuses the password. */
  readonly credentials?: CredentialSource | undefined
  /** The budget that this pool shares with others. Default: one of its own, without a ceiling. */
  readonly budget?: ConnectionBudget | undefined
  readonly clock: Clock
  readonly applicationName?: string | undefined
  /** Keep prepared statements on the server. Set false behind PgBouncer older than 1.21. Default true. */
  readonly prepare?: boolean | undefined
  /** Default 5,000: less than what a call waits for a connection altogether. */
  readonly connectTimeoutMs?: number | undefined
  /** A connection idle for so long is closed. Prepared statements go with it, so it is long: default 300,000. */
  readonly idleTimeoutMs?: number | undefined
  /** A connection older than this is not given out again. Default 3,600,000. */
  readonly lifetimeMs?: number | undefined
  /** Opens one connection. Default: {@link Connection.open}. */
  readonly open?: ((config: ConnectionConfig, signal: AbortSignal) => Promise<Connection>) | undefined
}

/** One call that waits for a connection. */
interface Taker {
  readonly resolve: (connection: Connection) => void
  readonly reject: (error: TenancyError) => void
  readonly forget: () => void
}

/** One attempt to connect. */
interface OpeningHere {
  readonly opening: Opening
  readonly connectionString: string
  readonly stop: AbortController
  /** It was drained while it was being opened. */
  isDrained: boolean
}

export class ConnectionPool {
  readonly #clock: Clock
  readonly #budget: ConnectionBudget
  readonly #account: PermitAccount
  readonly #credentials: Credentials
  readonly #openConnection: (config: ConnectionConfig, signal: AbortSignal) => Promise<Connection>
  readonly #prepare: boolean
  readonly #client: pg.ClientConfig
  readonly #idleTimeoutMs: number
  readonly #lifetimeMs: number
  /** Last used last: the warmest connection is given out first, the coldest run out. */
  readonly #idle: Connection[] = []
  readonly #all = new Set<Connection>()
  /** Connections that are closed when they come back. */
  readonly #drained = new Set<Connection>()
  readonly #openings = new Set<OpeningHere>()
  readonly #takers = new Set<Taker>()
  /** Refused passwords, and secret stores that do not answer. */
  readonly #login: Backoff
  #loginAttempt: Attempt | undefined
  /** Has the server let us in since it last failed? */
  #isProven = false
  #isClosed = false
  #lastUsedAt: number

  /** @throws {ConfigurationError} without a connection string and without credentials, or with both. */
  constructor(options: ConnectionPoolOptions) {
    const { connectionString, credentials } = options
    if ((connectionString === undefined) === (credentials === undefined)) {
      throw new ConfigurationError('A pool takes connectionString or credentials: one of them.')
    }
    this.#clock = options.clock
    this.#lastUsedAt = options.clock.monotonic()
    this.#budget = options.budget ?? new ConnectionBudget({ clock: options.clock, connectionsMax: Number.MAX_SAFE_INTEGER })
    this.#openConnection = options.open ?? Connection.open
    this.#idleTimeoutMs = options.idleTimeoutMs ?? 300_000
    this.#lifetimeMs = options.lifetimeMs ?? 3_600_000
    this.#prepare = options.prepare ?? true
    const connectTimeoutMs = options.connectTimeoutMs ?? 5_000
    this.#client = {
      application_name: options.applicationName ?? 'partywall',
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
    }
    this.#credentials = new Credentials({ connectionString, source: credentials, timeoutMs: connectTimeoutMs })
    this.#login = new Backoff({ clock: options.clock })
    this.#account = this.#budget.account(this.#holder())
    if (connectionString !== undefined) this.#budget.moveTo(this.#account, serverOf(connectionString))
  }

  /** Connections that are open, in use or idle. */
  get size(): number {
    return this.#all.size
  }

  get idleCount(): number {
    return this.#idle.length
  }

  /** Calls that wait for a connection. */
  get waiting(): number {
    return this.#takers.size
  }

  /** Monotonic time at which a connection was last in use: now, while one is. */
  get lastUsedAt(): number {
    return this.#all.size > this.#idle.length ? this.#clock.monotonic() : this.#lastUsedAt
  }

  /** An idle connection, if there is one. */
  takeIdle(): Connection | undefined {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.isUsable) return connection
      this.discard(connection)
    }
    return undefined
  }

  /**
   * An idle connection, one that comes back, or a new one: whichever is there first.
   *
   * @throws {DatabaseUnavailableError} when the database cannot be reached or refuses; at once, when that is known.
   * @throws {OverloadedError} when too many calls wait for connections of the budget.
   * @throws {AdmissionTimeoutError} when no connection came in time.
   * @throws {AbortedError} when the signal fires first.
   * @throws {ClosedError}
   */
  async take(signal?: AbortSignal): Promise<Connection> {
    if (this.#isClosed) throw new ClosedError('The pool is closed.')
    if (signal?.aborted === true) throw aborted(signal)
    const idle = this.takeIdle()
    if (idle !== undefined) return idle
    const obstacle = this.#login.mayTry ? this.#budget.obstacle(this.#account) : this.#login
    if (obstacle !== undefined) throw failedBefore(obstacle)
    this.#budget.enter()
    return new Promise<Connection>((resolve, reject) => {
      this.#wait(resolve, reject, signal)
      this.#ask()
    })
  }

  /** Takes a connection back. It must be idle and outside any transaction: one that is not is closed. */
  give(connection: Connection): void {
    const now = this.#clock.monotonic()
    connection.usedAt = now
    this.#lastUsedAt = now
    if (
      this.#isClosed ||
      !connection.isUsable ||
      connection.transactionStatus !== 'I' ||
      now - connection.openedAt > this.#lifetimeMs ||
      (this.#drained.size > 0 && this.#drained.has(connection)) ||
      this.#budget.isDue(this.#account)
    ) {
      this.discard(connection)
      return
    }
    this.#offer(connection)
  }

  /** Closes a connection for good. Its permit is free when its socket is closed. */
  discard(connection: Connection): void {
    if (!this.#all.delete(connection)) return
    this.#drained.delete(connection)
    connection.onBroken = undefined
    connection.destroy()
    this.#budget.closing(this.#account, connection.closed())
  }

  /**
   * Closes the idle connections now and the others as they come back, and forgets the credentials that were asked for. The
   * pool stays usable: for a database that has moved.
   */
  drain(): void {
    for (const connection of this.#idle.splice(0)) this.discard(connection)
    for (const connection of this.#all) this.#drained.add(connection)
    for (const opening of this.#openings) opening.isDrained = true
    this.#credentials.forget()
    this.#ask()
  }

  /** Closes the idle ones now and the others as they come back. Whoever waits is refused. */
  close(): void {
    this.#isClosed = true
    for (const connection of this.#idle.splice(0)) this.discard(connection)
    this.#refuse(() => new ClosedError('The pool was closed meanwhile.'))
    for (const { stop } of this.#openings) stop.abort(new ClosedError('The pool was closed meanwhile.'))
  }

  // ── Takers ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #wait(resolve: Taker['resolve'], reject: Taker['reject'], signal: AbortSignal | undefined): void {
    const { waitTimeoutMs } = this.#budget
    const leave = (error: TenancyError): void => {
      this.#dismiss(taker)
      this.#ask()
      reject(error)
    }
    const onAbort = (): void => leave(aborted(signal!))
    const timer = setTimeout(() => leave(timedOut(waitTimeoutMs)), waitTimeoutMs)
    timer.unref()
    signal?.addEventListener('abort', onAbort, { once: true })
    const forget = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
    const taker: Taker = { resolve, reject, forget }
    this.#takers.add(taker)
  }

  #dismiss(taker: Taker): void {
    this.#takers.delete(taker)
    taker.forget()
    this.#budget.leave()
  }

  /** Gives a connection to whoever has waited longest, or lays it by. */
  #offer(connection: Connection): void {
    for (const taker of this.#takers) {
      this.#dismiss(taker)
      this.#ask()
      taker.resolve(connection)
      return
    }
    this.#idle.push(connection)
  }

  /** Refuses the takers that have waited longest, until so many are left. */
  #refuse(error: () => TenancyError, left = 0): void {
    for (const taker of this.#takers) {
      if (this.#takers.size <= left) break
      this.#dismiss(taker)
      taker.reject(error())
    }
    this.#ask()
  }

  /** Wants as many permits as there are takers without an attempt; but one at first, until the server has let us in. */
  #ask(): void {
    const missing = this.#isClosed ? 0 : this.#takers.size - this.#openings.size
    if (missing > 0) {
      this.#loginAttempt ??= this.#login.start()
      if (this.#credentials.current === undefined || this.#credentials.isLoading) {
        if (!this.#credentials.isLoading) void this.#loadCredentials(false)
        this.#budget.want(this.#account, 0)
        return
      }
    } else if (this.#openings.size === 0 && !this.#credentials.isLoading) this.#loginAbandoned()
    this.#budget.want(this.#account, Math.max(0, this.#isProven ? missing : Math.min(missing, 1 - this.#openings.size)))
  }

  // ── Connecting ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async #loadCredentials(refresh: boolean): Promise<void> {
    try {
      await this.#credentials.load({ refresh })
      this.#budget.moveTo(this.#account, serverOf(this.#credentials.current!))
      this.#ask()
    } catch (error) {
      this.#loginFailed(error)
      this.#refuse(() => unavailable(error))
    }
  }

  async #open(here: OpeningHere): Promise<void> {
    this.#openings.add(here)
    const client = { ...this.#client, connectionString: here.connectionString }
    let connection: Connection
    try {
      // A connection serves many tenants: its socket must not keep the context of the first.
      connection = await runOutside(async () => this.#openConnection({ client, prepare: this.#prepare }, here.stop.signal))
    } catch (error) {
      this.#failed(here, error)
      return
    }
    this.#openings.delete(here)
    this.#isProven = true
    this.#loginAttempt = undefined
    this.#login.succeeded()
    this.#credentials.worked()
    this.#all.add(connection)
    if (here.isDrained) this.#drained.add(connection)
    connection.openedAt = this.#clock.monotonic()
    connection.usedAt = connection.openedAt
    connection.onBroken = () => this.#drop(connection)
    this.#budget.opened(this.#account, here.opening)
    if (this.#isClosed || !connection.isUsable) this.discard(connection)
    else this.#offer(connection)
    this.#ask()
  }

  #failed(here: OpeningHere, error: unknown): void {
    this.#openings.delete(here)
    this.#isProven = false
    const isDown = !this.#isClosed && isServerDown(error)
    if (isPasswordRefused(error) && this.#credentials.mayRefresh(here.connectionString)) {
      // The takers stay: the next attempt may be let in.
      const isStale = this.#credentials.current === here.connectionString && !this.#credentials.isLoading
      if (isStale) void this.#loadCredentials(true)
      this.#ask()
    } else {
      if (isPasswordRefused(error)) this.#loginFailed(error)
      else this.#loginAbandoned()
      // One attempt is one taker's; but a server that is down is everybody's.
      this.#refuse(() => unavailable(error), isDown ? this.#openings.size : Math.max(0, this.#takers.size - 1))
    }
    this.#budget.failed(this.#account, here.opening, error, isDown)
  }

  #loginFailed(error: unknown): void {
    if (this.#loginAttempt !== undefined) this.#login.failed(this.#loginAttempt, error)
    this.#loginAttempt = undefined
  }

  #loginAbandoned(): void {
    if (this.#loginAttempt !== undefined) this.#login.abandoned(this.#loginAttempt)
    this.#loginAttempt = undefined
  }

  /** One that broke while idle must not be given out. */
  #drop(connection: Connection): void {
    const at = this.#idle.indexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
    this.discard(connection)
  }

  /** What the budget may ask of this pool. */
  #holder(): PermitAccount['pool'] {
    const idle = this.#idle
    return {
      get idleCount() {
        return idle.length
      },
      get coldestUsedAt() {
        return idle[0]?.usedAt
      },
      open: (opening) => {
        const connectionString = this.#credentials.current!
        void this.#open({ opening, connectionString, stop: new AbortController(), isDrained: false })
      },
      closeColdest: () => this.discard(idle.shift()!),
      abandonOpening: (startedAt) => {
        for (const { opening, stop } of this.#openings) {
          if (opening.attempt.startedAt < startedAt)
            stop.abort(new DatabaseUnavailableError('The server has not answered, and others wait.'))
        }
      },
      onServerDown: () => {
        const obstacle = this.#budget.obstacle(this.#account)
        if (obstacle !== undefined) this.#refuse(() => failedBefore(obstacle), this.#openings.size)
      },
      sweep: (now) => {
        while (idle.length > 0 && idle[0]!.usedAt < now - this.#idleTimeoutMs) this.discard(idle.shift()!)
      },
    }
  }
}

/** Is it the server that cannot be reached, rather than this database or this login that is refused? */
function isServerDown(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return /^57P0/.test(error.code ?? '')
  return error instanceof DatabaseUnavailableError || isConnectionFailure(error)
}

function isPasswordRefused(error: unknown): boolean {
  return error instanceof pg.DatabaseError && /^(28P01|28000)$/.test(error.code ?? '')
}

function unavailable(error: unknown): TenancyError {
  if (error instanceof TenancyError) return error
  return new DatabaseUnavailableError(`No connection to the database: ${(error as Error).message}`, { cause: error })
}

function failedBefore(backoff: Backoff): DatabaseUnavailableError {
  const { cause, retryInMs } = backoff
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new DatabaseUnavailableError(`No connection to the database: ${reason} (tried again in ${Math.ceil(retryInMs)} ms)`, {
    cause,
    details: { retryInMs },
  })
}

function timedOut(waitTimeoutMs: number): AdmissionTimeoutError {
  return new AdmissionTimeoutError(`The call waited ${waitTimeoutMs} ms for a connection (waitTimeoutMs ${waitTimeoutMs}).`, {
    details: { bound: 'waitTimeoutMs', value: waitTimeoutMs },
  })
}

function aborted(signal: AbortSignal): AbortedError {
  return new AbortedError('The signal was aborted while the call waited for a connection.', { cause: signal.reason })
}
