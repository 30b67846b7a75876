// Hears of changes in the catalog, over one LISTEN connection.
//
// A notification is a wake-up without content, since anybody may listen and anybody may send one (LISTEN and NOTIFY know no
// privileges). Which tenants changed is read from the table: those whose last change is not older than the horizon of the
// last look, i.e. the oldest transaction that was still running then. A change that commits late is seen by the next look;
// some are told twice. A flood of forged wake-ups costs one look every `debounceMs`.
// While the connection is down nothing is heard: then, and after it is back, anything may have changed.

import type { TenantId } from '../core/tenant.ts'
import type { ControlPool } from './control-pool.ts'

export interface CatalogWatchOptions {
  /** The gatekeeper's login, directly at the server: a transaction-mode pooler cannot LISTEN. */
  readonly pool: ControlPool
  readonly onChange: (ids: readonly TenantId[] | undefined) => void
  /** For how long wake-ups are collected before one look. Default 20. */
  readonly debounceMs?: number | undefined
  /** The first wait before connecting again; it doubles up to `retryMsMax`. Default 100. */
  readonly retryMsMin?: number | undefined
  /** Default 10,000. */
  readonly retryMsMax?: number | undefined
}

/** More changed tenants than this in one look are told as "any of them". */
const changedTenantsMax = 1_000

type Listener = Awaited<ReturnType<ControlPool['dedicated']>>

export class CatalogWatch {
  readonly #pool: ControlPool
  readonly #onChange: (ids: readonly TenantId[] | undefined) => void
  readonly #debounceMs: number
  readonly #retryMsMin: number
  readonly #retryMsMax: number
  #listener: Listener | undefined
  #horizon: string | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  /** The look or the connecting under way: close() waits for it. */
  #work: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: CatalogWatchOptions) {
    this.#pool = options.pool
    this.#onChange = options.onChange
    this.#debounceMs = options.debounceMs ?? 20
    this.#retryMsMin = options.retryMsMin ?? 100
    this.#retryMsMax = options.retryMsMax ?? 10_000
  }

  /** Resolves when every later change will be heard. @throws {DatabaseUnavailableError} */
  async start(): Promise<void> {
    await this.#connect()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#work
    await this.#hangUp()
  }

  async #connect(): Promise<void> {
    const listener = await this.#pool.dedicated()
    this.#listener = listener
    listener.on('error', () => this.#lost(listener))
    listener.on('end', () => this.#lost(listener))
    listener.on('notification', () => this.#wake())
    await listener.query('listen partywall_catalog')
    // What committed before is no news: whoever starts has read nothing yet, and whoever is back is told "any of them" next.
    this.#horizon = await this.#currentHorizon()
  }

  /** Collects wake-ups for a moment, then looks once. */
  #wake(): void {
    this.#later(this.#debounceMs, () => this.#look())
  }

  async #look(): Promise<void> {
    const [seen] = await this.#pool.query<{ horizon: string; ids: TenantId[] }>(
      `select pg_snapshot_xmin(pg_current_snapshot())::text as horizon,
              array(
                select t.id
                  from partywall.tenants as t
                 where t.changed_xid >= $1::xid8
                 limit ${changedTenantsMax + 1}
              ) as ids`,
      [this.#horizon],
    )
    if (seen === undefined || this.#closed) return
    this.#horizon = seen.horizon
    if (seen.ids.length > changedTenantsMax) this.#onChange(undefined)
    else if (seen.ids.length > 0) this.#onChange(seen.ids)
  }

  /** The connection has ended. Both of its events lead here; the first counts. */
  #lost(listener: Listener): void {
    if (this.#listener !== listener) return
    this.#listener = undefined
    listener.end().catch(() => {})
    if (this.#closed) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#onChange(undefined)
    this.#retry(this.#retryMsMin)
  }

  #retry(delayMs: number): void {
    this.#later(delayMs, async () => {
      try {
        await this.#connect()
        if (!this.#closed) this.#onChange(undefined)
      } catch {
        await this.#hangUp()
        if (!this.#closed) this.#retry(Math.min(delayMs * 2, this.#retryMsMax))
      }
    })
  }

  /** One piece of work at a time; a look that fails counts as a lost connection, since what changed is not known. */
  #later(delayMs: number, work: () => Promise<void>): void {
    if (this.#timer !== undefined || this.#closed) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#work = this.#work.then(work).catch(() => {
        if (this.#listener !== undefined) this.#lost(this.#listener)
      })
    }, delayMs)
    this.#timer.unref()
  }

  async #hangUp(): Promise<void> {
    const listener = this.#listener
    this.#listener = undefined
    await listener?.end().catch(() => {})
  }

  async #currentHorizon(): Promise<string | undefined> {
    const [row] = await this.#pool.query<{ horizon: string }>('select pg_snapshot_xmin(pg_current_snapshot())::text as horizon')
    return row?.horizon
  }
}
