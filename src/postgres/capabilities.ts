// The capabilities of this process: unguessable, short-lived handles, one per tenant in use. Issued over the gatekeeper's login,
// many tenants in one round trip, renewed in the background before they run out, forgotten when nobody asks for them.

import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/clock.ts'
import type { GateState } from '../core/placement-adapter.ts'
import type { TenantId } from '../core/tenant.ts'
import { runOutside } from '../core/tenant-context.ts'
import {
  BreakGlassRefusedError,
  CapabilityLimitError,
  ClosedError,
  ConfigurationError,
  TenantMovingError,
  TenantNotFoundError,
  TenantSuspendedError,
} from '../errors.ts'
import { type Seal, sealOfCapability, sealOfKey } from './actor-seal.ts'
import type { ControlConnection } from './control-pool.ts'

export interface CapabilitiesOptions {
  readonly control: ControlConnection
  /** `control` is a login of one tenant's own: it is given that tenant's, and may not revoke. Default false. */
  readonly isOwn?: boolean | undefined
  /** Of a login of one tenant's own: its audit key, with which it is sealed who acts. Default: there is none, and changes are nobody's. */
  readonly auditKey?: (() => Promise<Buffer>) | undefined
  readonly clock: Clock
  /** How long one lives, in milliseconds: 1,000 to 3,600,000. Default 300,000. One that leaks is worth this long, for one tenant. */
  readonly ttlMs?: number | undefined
  /** How many tenants' are kept. Default 10,000. */
  readonly tenantsMax?: number | undefined
  /** Shown in the table, for operators: which process holds it. */
  readonly issuedTo?: string | undefined
}

/** A capability, as a lease binds it. */
export interface Capability {
  readonly tenantId: TenantId
  /** The secret. Never logged, never part of a statement's text. */
  readonly handle: string
  /** Monotonic milliseconds after which it is not used for new work. */
  readonly usableUntil: number
  /** Monotonic milliseconds after which the database refuses it, or a little before. */
  readonly expiresAt: number
  /** With what it is sealed who acts; none where no change of any table is recorded. */
  readonly seal: Seal | undefined
  /** The messages that bind it, kept ready by the lease. */
  bindMessage: Buffer | undefined
  /** The search path in them, where there is one. */
  bindPath: string | undefined
}

/** For what grant a capability is issued. */
export interface CapabilityGrant {
  readonly grantId: string
  readonly tenantId: TenantId
  readonly isReadOnly: boolean
  readonly endsAt: Date
}

/** How a tenant's gate stands. */
export interface Gate {
  readonly state: GateState
  /** Grows with each fence. */
  readonly fence: string
  /** It is fenced, and past the deadline: whoever held the fence is late, or dead. */
  readonly isOverdue: boolean
}

interface IssuedRow {
  readonly tenant_id: TenantId
  readonly capability: string | null
  readonly state: string | null
  readonly reason: 'unknown' | 'closed' | 'limit' | 'ended' | null
  /** How much of its life is left, when it is not new. */
  readonly ttl_ms?: string | undefined
  /** Where changes of a table are recorded. */
  readonly seal?: Buffer | null | undefined
  /** Of a login of one tenant's own: are they? */
  readonly audits_changes?: boolean | undefined
}

interface Waiter {
  readonly promise: Promise<Capability>
  readonly resolve: (capability: Capability) => void
  readonly reject: (error: unknown) => void
}

const batchMax = 1_000
/** Part of a life after which a new one is fetched in the background. */
const renewAfter = 0.5
/** Part of a life that is kept for statements under way. */
const keepBack = 0.2
/** Life of one that the statements of a grant share: so long it is good where nobody can be told that the grant was revoked. */
const grantTtlMs = 60_000
/** Grants whose capability is kept. */
const grantsMax = 100
const reapEveryMs = 60_000
const reapMax = 5_000

export class Capabilities {
  readonly #control: ControlConnection
  readonly #isOwn: boolean
  readonly #auditKey: (() => Promise<Buffer>) | undefined
  #ownSealed: Seal | undefined
  readonly #clock: Clock
  readonly #ttlMs: number
  readonly #issuedTo: string
  readonly #held: LRUCache<TenantId, Capability>
  readonly #pending = new Map<TenantId, Waiter>()
  readonly #granted = new LRUCache<string, Capability>({ max: grantsMax })
  readonly #dropped: string[] = []
  #inFlight = new Map<TenantId, Promise<Capability>>()
  #isScheduled = false
  #isClosed = false
  #reaper: NodeJS.Timeout | undefined

  constructor(options: CapabilitiesOptions) {
    this.#control = options.control
    this.#isOwn = options.isOwn ?? false
    this.#auditKey = options.auditKey
    this.#clock = options.clock
    this.#ttlMs = options.ttlMs ?? 300_000
    if (!(this.#ttlMs >= 1_000 && this.#ttlMs <= 3_600_000)) {
      throw new ConfigurationError(`capabilityTtlMs is ${this.#ttlMs}; it must be between 1,000 and 3,600,000.`)
    }
    this.#issuedTo = options.issuedTo ?? `node ${process.pid}`
    this.#held = new LRUCache({
      max: options.tenantsMax ?? 10_000,
      dispose: (capability, _tenantId, reason) => {
        // What is still good is revoked, so that live handles stay few; what was replaced runs out by itself, since
        // statements under way may hold it.
        if (reason === 'evict') this.#dropped.push(capability.handle)
      },
    })
    if (this.#isOwn) return
    this.#reaper = setInterval(() => void this.#reap(), reapEveryMs)
    this.#reaper.unref()
  }

  /** Tenants whose capability is held: for metrics and tests. */
  get size(): number {
    return this.#held.size
  }

  /** The tenant's capability, if one is at hand; renewal starts by itself when it is past half its life. */
  tryGet(tenantId: TenantId): Capability | undefined {
    const held = this.#held.get(tenantId)
    if (held === undefined) return undefined
    const now = this.#clock.monotonic()
    if (now >= held.usableUntil) return undefined
    if (now >= held.expiresAt - this.#ttlMs * (1 - renewAfter) && !this.#inFlight.has(tenantId)) {
      // Nobody waits for it. When it fails, the next call after the end of the old one's life waits, and is told why.
      this.#request(tenantId).catch(() => {})
    }
    return held
  }

  /**
   * The tenant's capability.
   *
   * @throws {TenantSuspendedError} {@link TenantMovingError} {@link TenantNotFoundError} when its gate does not let it in.
   * @throws {CapabilityLimitError} when it holds as many as it may.
   * @throws {DatabaseUnavailableError} when the control plane cannot be reached.
   */
  async get(tenantId: TenantId): Promise<Capability> {
    return this.tryGet(tenantId) ?? (await this.#request(tenantId))
  }

  /** One with a life of its own, for a long transaction or for a person: not shared, not renewed. */
  async issue(tenantId: TenantId, ttlMs: number): Promise<Capability> {
    this.#assertOpen()
    const [row] = await this.#issueRows([tenantId], ttlMs)
    return this.#accept(tenantId, row, this.#clock.monotonic(), ttlMs, await this.#ownSeal(row))
  }

  /**
   * One for a grant alone, which ends with it at the latest. Who asks has just seen that the grant may be used.
   *
   * @param ttlMs for a transaction that must outlive the shared one; without it, the one that the grant's statements share.
   * @throws {BreakGlassRefusedError} when the grant is over, by the clock of the tenant's own database.
   */
  async forGrant(grant: CapabilityGrant, ttlMs?: number): Promise<Capability> {
    this.#assertOpen()
    const held = ttlMs === undefined ? this.#granted.get(grant.grantId) : undefined
    const asked = this.#clock.monotonic()
    if (held !== undefined && asked < held.usableUntil) return held
    const life = Math.max(1_000, ttlMs ?? grantTtlMs)
    const [row] = await this.#control.query<IssuedRow & { readonly ttl_ms: string | undefined }>(
      `select tenant_id, capability, state, reason, extract(epoch from expires_in) * 1000 as ttl_ms, seal
         from partywall.issue_for_grant($1, $2, $3 * interval '1 millisecond', $4, $5, $6)`,
      [grant.tenantId, grant.grantId, life, grant.endsAt, grant.isReadOnly, `grant ${grant.grantId}`],
    )
    if (row?.reason === 'ended') throw new BreakGlassRefusedError(`Grant ${grant.grantId} has expired.`)
    const seal = await this.#ownSeal({ audits_changes: true })
    const capability = this.#accept(grant.tenantId, row, asked, Math.min(life, Number(row?.ttl_ms ?? life)), seal)
    if (ttlMs === undefined) this.#granted.set(grant.grantId, capability)
    return capability
  }

  /** Takes back whatever the grant has here, in this process and in every other: from its next statement on it finds nothing. */
  async revokeGrant(grantId: string): Promise<void> {
    this.#granted.delete(grantId)
    await this.#control.query('select partywall.revoke_grant($1)', [grantId])
  }

  /** Takes one back before its time. */
  async revoke(capability: Capability): Promise<void> {
    if (this.#isOwn) return
    await this.#control.query('select partywall.revoke($1::uuid[])', [[capability.handle]])
  }

  /** The tenant's gate, or undefined where there is none of it, or none that this login is told of. */
  async gateOf(tenantId: TenantId): Promise<Gate | undefined> {
    const [gate] = await this.#control.query<Gate>('select g.state, g.fence, g.is_overdue as "isOverdue" from partywall.gate_of($1) as g', [
      tenantId,
    ])
    return gate
  }

  /** Reopens a gate that is fenced past its deadline. `fence` is of the catalog, which has given it up. Repeating it does no harm. */
  async reopenGate(tenantId: TenantId, fence: string): Promise<void> {
    await this.#control.query('select partywall.reopen_gate($1, $2)', [tenantId, fence])
  }

  /** Forgets one that the database refused, unless a newer one has taken its place. */
  forget(capability: Capability): void {
    if (this.#held.peek(capability.tenantId) === capability) this.#held.delete(capability.tenantId)
    for (const [grantId, granted] of this.#granted.entries()) if (granted === capability) this.#granted.delete(grantId)
  }

  /** Revokes everything held. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearInterval(this.#reaper)
    this.#reaper = undefined
    const all = [...this.#held.values(), ...this.#granted.values()]
    const handles = all.map((capability) => capability.handle).concat(this.#dropped.splice(0))
    this.#held.clear()
    this.#granted.clear()
    if (this.#isOwn) return
    for (let i = 0; i < handles.length; i += batchMax) {
      await this.#control.query('select partywall.revoke($1::uuid[])', [handles.slice(i, i + batchMax)])
    }
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new ClosedError('The tenancy is closed: no capability is issued any more.')
  }

  /** Joins the request under way for this tenant, or puts it into the next batch. */
  #request(tenantId: TenantId): Promise<Capability> {
    const running = this.#inFlight.get(tenantId)
    if (running !== undefined) return running
    if (this.#isClosed) return Promise.reject(new ClosedError('The tenancy is closed: no capability is issued any more.'))
    const waiter = Promise.withResolvers<Capability>()
    this.#pending.set(tenantId, waiter)
    this.#inFlight.set(tenantId, waiter.promise)
    if (!this.#isScheduled) {
      this.#isScheduled = true
      // After this turn of the event loop, so that all who ask in it share one round trip.
      runOutside(() => setImmediate(() => void this.#issuePending()))
    }
    return waiter.promise
  }

  async #issuePending(): Promise<void> {
    this.#isScheduled = false
    const batch = [...this.#pending].slice(0, batchMax)
    for (const [tenantId] of batch) this.#pending.delete(tenantId)
    if (this.#pending.size > 0) {
      this.#isScheduled = true
      setImmediate(() => void this.#issuePending())
    }
    const asked = this.#clock.monotonic()
    try {
      const rows = await this.#issueRows(
        batch.map(([tenantId]) => tenantId),
        this.#ttlMs,
      )
      const seal = await this.#ownSeal(rows[0])
      const byTenant = new Map(rows.map((row) => [row.tenant_id, row]))
      for (const [tenantId, waiter] of batch) this.#settle(tenantId, waiter, byTenant.get(tenantId), asked, seal)
    } catch (error) {
      for (const [tenantId, waiter] of batch) {
        this.#inFlight.delete(tenantId)
        waiter.reject(error)
      }
    }
  }

  #settle(tenantId: TenantId, waiter: Waiter, row: IssuedRow | undefined, asked: number, seal: Seal | undefined): void {
    this.#inFlight.delete(tenantId)
    try {
      const capability = this.#accept(tenantId, row, asked, this.#ttlMs, seal)
      if (this.#isClosed) this.#dropped.push(capability.handle)
      else this.#held.set(tenantId, capability)
      waiter.resolve(capability)
    } catch (error) {
      this.#held.delete(tenantId)
      waiter.reject(error)
    }
  }

  #issueRows(tenantIds: readonly TenantId[], ttlMs: number): Promise<readonly IssuedRow[]> {
    if (this.#isOwn) return this.#issueOwnRows(ttlMs)
    return this.#control.query<IssuedRow>(
      `select tenant_id, capability, state, reason, seal from partywall.issue($1::uuid[], $2 * interval '1 millisecond', $3)`,
      [tenantIds, ttlMs, this.#issuedTo],
    )
  }

  async #issueOwnRows(ttlMs: number): Promise<readonly IssuedRow[]> {
    try {
      return await this.#control.query<IssuedRow>(
        `select tenant_id, capability, state, reason, extract(epoch from expires_in) * 1000 as ttl_ms, audits_changes
           from partywall.issue_own($1 * interval '1 millisecond', $2)`,
        [ttlMs, this.#issuedTo],
      )
    } catch (error) {
      // This login is no tenant's own any more: its tenant has no gate here.
      if ((error as { readonly code?: unknown }).code === '42501') return []
      throw error
    }
  }

  /** Asked for with each, so that a key that was changed becomes known. A secret store that is away for a while stops nobody. */
  async #ownSeal(row: Pick<IssuedRow, 'audits_changes'> | undefined): Promise<Seal | undefined> {
    if (!this.#isOwn || this.#auditKey === undefined || row?.audits_changes !== true) return undefined
    try {
      this.#ownSealed = sealOfKey(await this.#auditKey())
    } catch (error) {
      if (this.#ownSealed === undefined) throw error
    }
    return this.#ownSealed
  }

  /** Life is counted from before the question, so that we never believe in a capability longer than the database does. */
  #accept(tenantId: TenantId, answer: IssuedRow | undefined, asked: number, ttlMs: number, ownSeal?: Seal): Capability {
    // A login of one tenant's own is given that tenant's, whoever is asked for: in the wrong database that would be the wrong tenant.
    const row = answer?.tenant_id === tenantId ? answer : undefined
    if (row?.capability) {
      const left = row.ttl_ms === undefined ? ttlMs : Number(row.ttl_ms)
      return {
        tenantId,
        handle: row.capability,
        usableUntil: asked + left - ttlMs * keepBack,
        expiresAt: asked + left,
        seal: ownSeal ?? (row.seal ? sealOfCapability(row.seal) : undefined),
        bindMessage: undefined,
        bindPath: undefined,
      }
    }
    const details = { tenantId, state: row?.state }
    switch (row?.reason) {
      case 'limit':
        throw new CapabilityLimitError(
          `Tenant ${tenantId} holds as many live capabilities as it may (1,024). Are processes leaking them?`,
          { details },
        )
      case 'closed':
        if (row.state === 'suspended') throw new TenantSuspendedError(`Tenant ${tenantId} is suspended.`, { details })
        throw new TenantMovingError(`Tenant ${tenantId} has moved away from this database.`, { details })
      default:
        throw new TenantNotFoundError(`Tenant ${tenantId} has no gate in this database.`, { details })
    }
  }

  /** Housekeeping that nobody waits for: evicted handles are revoked, expired rows removed. */
  async #reap(): Promise<void> {
    try {
      const handles = this.#dropped.splice(0, batchMax)
      if (handles.length > 0) await this.#control.query('select partywall.revoke($1::uuid[])', [handles])
      await this.#control.query('select partywall.reap($1)', [reapMax])
    } catch {
      // The rows expire by themselves; the next round tries again.
    }
  }
}
