// What a transaction holds from its first statement to its end: a place, a capability that outlives it, a connection with its slot.

import type { Tenant } from '../core/tenant.ts'
import type { TenantContext } from '../core/tenant-context.ts'
import { TransactionTimeoutError } from '../errors.ts'
import type { Capability } from './capabilities.ts'
import type { HeldConnection, Leases } from './lease.ts'
import type { TenantDatabase } from './tenant-database.ts'
import { aborted } from './watchdog.ts'

export interface TransactionLeaseOptions {
  readonly leases: Leases
  readonly context: TenantContext
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

/** What it consists of. */
export interface Held {
  readonly database: TenantDatabase
  readonly capability: Capability
  readonly held: HeldConnection
}

export class TransactionLease {
  readonly #leases: Leases
  readonly #context: TenantContext
  readonly #timeoutMs: number
  readonly #signal: AbortSignal | undefined
  /** Usually the context's; another when it was found to have moved. */
  #tenant: Tenant
  #database: Promise<TenantDatabase> | undefined
  #found: TenantDatabase | undefined
  #held: Promise<HeldConnection> | undefined
  #capability: Promise<Capability> | undefined
  #isCapabilityOwn = false
  #unwatch: (() => void) | undefined

  constructor({ leases, context, timeoutMs, signal }: TransactionLeaseOptions) {
    this.#leases = leases
    this.#context = context
    this.#timeoutMs = timeoutMs
    this.#signal = signal
    this.#tenant = leases.moveWait.newest(context.tenant)
  }

  get tenant(): Tenant {
    return this.#tenant
  }

  /** Was its capability issued for it alone? */
  get isCapabilityOwn(): boolean {
    return this.#isCapabilityOwn
  }

  /** Everything, taken at the first call. What could not be had is not had later either, until it is given up. */
  async take(): Promise<Held> {
    this.#database ??= this.#leases.databaseOf(this.#tenant)
    const database = await this.#database
    this.#found = database
    this.#capability ??= this.#takeCapability(database)
    const capability = await this.#capability
    this.#held ??= this.#hold(database)
    return { database, capability, held: await this.#held }
  }

  /** The connection, if there is one or one is coming. */
  async connection(): Promise<HeldConnection | undefined> {
    return await this.#held?.catch(() => undefined)
  }

  /** The database, once it has been found. */
  get database(): TenantDatabase | undefined {
    return this.#found
  }

  /** Keeps the connection; the next take() asks for another capability. */
  renew(): void {
    if (!this.#isCapabilityOwn) this.#capability = undefined
  }

  /** Gives everything back; the next take() takes anew. The transaction is over by then, or the connection is given up. */
  async giveBack(): Promise<void> {
    const held = await this.connection()
    this.#unwatch?.()
    this.#unwatch = undefined
    if (held !== undefined) this.#leases.release(held)
    // When it cannot be revoked, it expires. A tenant may hold only so many.
    if (this.#isCapabilityOwn) await this.#capability?.then(async (own) => (await this.#database)?.capabilities.revoke(own)).catch(() => {})
    this.#isCapabilityOwn = false
    this.#capability = undefined
    this.#database = undefined
    this.#found = undefined
    this.#held = undefined
  }

  /** The place of the next take(). */
  moveTo(tenant: Tenant): void {
    this.#tenant = tenant
  }

  /** One that outlives the transaction: the shared one if it does, or one issued for it alone. */
  async #takeCapability(database: TenantDatabase): Promise<Capability> {
    const { capabilities } = database
    const { id } = this.#tenant
    const { grant } = this.#context
    if (grant !== undefined) return await this.#leases.grantedCapability(database, grant, Math.max(1_000, this.#timeoutMs + 10_000))
    const shared = await capabilities.get(id)
    if (shared.expiresAt - this.#leases.clock.monotonic() > this.#timeoutMs) return shared
    this.#isCapabilityOwn = true
    return await capabilities.issue(id, Math.max(1_000, this.#timeoutMs + 10_000))
  }

  async #hold(database: TenantDatabase): Promise<HeldConnection> {
    const signal = this.#signal
    const held = await this.#leases.hold(database, this.#context, signal)
    const { connection } = held
    const cut = (reason: Error): void => void connection.cancelAndDestroy(reason)
    const watch = this.#leases.watchdog.watch(
      connection,
      this.#leases.clock.monotonic() + this.#timeoutMs,
      () => new TransactionTimeoutError(`The transaction was open for longer than ${this.#timeoutMs} ms. It was rolled back.`),
    )
    const abort = (): void => cut(aborted(signal))
    if (signal?.aborted === true) abort()
    signal?.addEventListener('abort', abort, { once: true })
    this.#unwatch = () => {
      watch.end()
      signal?.removeEventListener('abort', abort)
    }
    return held
  }
}
