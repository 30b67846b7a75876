// Who waits for a permit to open a connection, and whose turn it is.
//
// One place in the line for each pool, however many of its callers wait. A pool without any connection goes before those that
// have some: its callers make no progress at all. Among the former, first come, first served; among the latter, whoever has
// least. A pool that was served goes to the end. So nobody is overtaken by the same pool twice.
//
// A server that answers nobody must not take the permits of all others with it: no more than half of them are for opening
// connections to one server at a time, and none while its backoff lasts.

import { type Attempt, Backoff } from './backoff.ts'
import type { Clock } from './clock.ts'

/** One pool, as the budget counts it. */
export class PermitAccount {
  /** The server that its next connection goes to. */
  server: ServerAccount
  /** Permits that are opening connections, and those of open ones. */
  opening = 0
  live = 0
  /** Permits that it waits for. */
  wanted = 0
  /** Since when it has waited without being served. */
  waitingSince = 0
  readonly pool: PermitHolder

  constructor(pool: PermitHolder, server: ServerAccount) {
    this.pool = pool
    this.server = server
  }
}

/** One attempt to open a connection, with a permit. */
export interface Opening {
  readonly server: ServerAccount
  readonly attempt: Attempt
}

/** What the budget asks of a pool. None of these may throw, or wait. */
export interface PermitHolder {
  readonly idleCount: number
  /** Monotonic time of the last use of its coldest idle connection; undefined when none is idle. */
  readonly coldestUsedAt: number | undefined
  /** A permit has come: open a connection. */
  open(opening: Opening): void
  closeColdest(): void
  /** Gives up attempts to connect that began before `startedAt`, as failures. */
  abandonOpening(startedAt: number): void
  /** Its server has just failed: nobody is to wait for a new connection. */
  onServerDown(): void
  /** Closes what has been idle for too long. */
  sweep(now: number): void
}

/** What is known of one server, whoever found out. */
export class ServerAccount {
  readonly key: string
  readonly health: Backoff
  opening = 0
  wanted = 0

  constructor(key: string, clock: Clock) {
    this.key = key
    this.health = new Backoff({ clock })
  }

  get isIdle(): boolean {
    return this.opening === 0 && this.wanted === 0 && this.health.isWell
  }
}

export class PermitLine {
  readonly #openingPerServerMax: number
  /** In the order of their turns. */
  readonly #starving = new Set<PermitAccount>()
  readonly #hungry = new Set<PermitAccount>()
  readonly #servers = new Map<string, ServerAccount>()
  readonly #clock: Clock
  wanted = 0

  constructor(clock: Clock, connectionsMax: number) {
    this.#clock = clock
    this.#openingPerServerMax = Math.max(1, Math.floor(connectionsMax / 2))
  }

  /** Pools in line that have no connection. */
  get starvingCount(): number {
    return this.#starving.size
  }

  server(key: string): ServerAccount {
    let server = this.#servers.get(key)
    if (server === undefined) {
      server = new ServerAccount(key, this.#clock)
      this.#servers.set(key, server)
    }
    return server
  }

  /** The server, if anything is remembered of it. */
  tryServer(key: string): ServerAccount | undefined {
    return this.#servers.get(key)
  }

  /** How many servers are remembered: those in demand, and those that fail. */
  get serverCount(): number {
    return this.#servers.size
  }

  /** Nothing is kept of a server that is well and of which nobody wants anything. */
  forgetIfIdle(server: ServerAccount): void {
    if (server.isIdle && this.#servers.get(server.key) === server) this.#servers.delete(server.key)
  }

  /** Sets how many permits the account waits for; its place in the line stays. */
  want(account: PermitAccount, wanted: number): void {
    const change = wanted - account.wanted
    if (change === 0) return
    if (account.wanted === 0) account.waitingSince = this.#clock.monotonic()
    account.wanted = wanted
    account.server.wanted += change
    this.wanted += change
    this.place(account)
    this.forgetIfIdle(account.server)
  }

  /** After a change of what the account has or wants: is it in the right half of the line? */
  place(account: PermitAccount): void {
    const isWaiting = account.wanted > 0
    if (!isWaiting || account.live > 0) this.#starving.delete(account)
    if (!isWaiting || account.live === 0) this.#hungry.delete(account)
    if (isWaiting) (account.live === 0 ? this.#starving : this.#hungry).add(account)
  }

  /** It was served: whatever more it wants, it wants at the end of the line. */
  served(account: PermitAccount): void {
    account.waitingSince = this.#clock.monotonic()
    this.#starving.delete(account)
    this.#hungry.delete(account)
    this.want(account, account.wanted - 1)
    this.place(account)
  }

  /** Whose turn it is, leaving out `other`. */
  next(other?: PermitAccount): PermitAccount | undefined {
    for (const account of this.#starving) if (account !== other && this.#mayOpen(account)) return account
    let least: PermitAccount | undefined
    for (const account of this.#hungry) {
      if (account === other || !this.#mayOpen(account)) continue
      if (least === undefined || account.live < least.live) least = account
    }
    return least
  }

  /** How many of the permits wanted could be used at once, were they there. */
  get usable(): number {
    if (this.wanted === 0) return 0
    let sum = 0
    for (const server of this.#servers.values()) sum += Math.min(server.wanted, this.#room(server))
    return sum
  }

  waitingFor(server: ServerAccount): PermitAccount[] {
    return [...this.#starving, ...this.#hungry].filter((account) => account.server === server)
  }

  #mayOpen({ server }: PermitAccount): boolean {
    return this.#room(server) > 0
  }

  #room({ health, opening }: ServerAccount): number {
    if (!health.mayTry) return 0
    return health.isWell ? this.#openingPerServerMax - opening : 1
  }
}
