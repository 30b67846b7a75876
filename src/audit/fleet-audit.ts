// The tenants' audit logs, as who runs the fleet deals with them: verified, anchored, read, pruned.

import type { Actor } from '../core/actor.ts'
import { entriesOf } from '../core/audit-batch.ts'
import type { AuditEntry } from '../core/audit-entry.ts'
import type { AuditTrail } from '../core/audit-trail.ts'
import type { TenantListOptions, TenantPage } from '../core/catalog.ts'
import type { Clock } from '../core/clock.ts'
import type { Tenant } from '../core/tenant.ts'
import { AuditUnsoundError, ConfigurationError } from '../errors.ts'
import type { AnchorStore } from './anchor-store.ts'
import { type AuditFilter, matches } from './entry-filter.ts'
import { type ExportFormat, type ExportManifest, exportLog } from './export-log.ts'
import type { LogKeys } from './log-keys.ts'
import type { LogSource } from './log-source.ts'
import { type SignedHead, signHead } from './signed-head.ts'
import { type AuditVerdict, verifyLog } from './verify-log.ts'

export interface FleetAuditParts {
  readonly source: LogSource
  /** Where signed heads are kept, out of reach of whoever can write the databases. Without it nothing is anchored. */
  readonly anchors: AnchorStore | undefined
  /** Between two rounds of `keep`. */
  readonly anchorEveryMs: number
  readonly keys: LogKeys
  readonly tenants: { list(options?: TenantListOptions): Promise<TenantPage> }
  readonly auditTrail: AuditTrail
  readonly clock: Clock
  /** The version of partywall, for who reads exports. */
  readonly product: string
}

/** How a tenant's log stands. */
export interface AuditStatus {
  /** The last position; 0 of an empty log, undefined when there is no log. */
  readonly head: bigint | undefined
  /** When the last row was written. */
  readonly headAt: Date | undefined
  /** Up to where heads have been signed and kept elsewhere; 0 for nowhere. */
  readonly anchoredTo: bigint
  readonly anchoredAt: Date | undefined
  /** Up to where it was pruned; 0 for nowhere. */
  readonly prunedTo: bigint
}

/** What became of one tenant's anchoring. */
export interface Anchored {
  readonly tenant: Tenant
  /** Undefined when there is nothing new since the last one, or no log. */
  readonly head?: SignedHead | undefined
  /** Why it was not signed. */
  readonly error?: unknown
}

export class FleetAudit {
  readonly keys: LogKeys
  readonly #parts: FleetAuditParts

  constructor(parts: FleetAuditParts) {
    this.keys = parts.keys
    this.#parts = parts
  }

  /**
   * Reads the whole log and judges it, by itself and by the anchors. A million entries take seconds, since an entry is a part of a row.
   *
   * @returns undefined when the tenant has no audit log.
   */
  async verify(tenant: Tenant, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<AuditVerdict | undefined> {
    const { source, keys } = this.#parts
    // Asked first: a head that is signed while we read is of what we may not have read.
    const [anchors, known] = [await this.#anchorsOf(tenant), await keys.verifying()]
    return await source.read(
      tenant,
      async (log) => await verifyLog({ tenant: tenant.id, batches: log.rows(), anchors, keys: known }),
      options,
    )
  }

  /**
   * Signs the head of the log and keeps it elsewhere, after what came since the last anchor was verified: a broken chain is never signed.
   *
   * @returns undefined when there is nothing new, or no log.
   * @throws {AuditUnsoundError} with the findings. {@link ConfigurationError} when there is no store of anchors. {@link ObjectStoreError}
   */
  async anchor(tenant: Tenant, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<SignedHead | undefined> {
    const { source, keys, clock } = this.#parts
    const store = this.#store()
    const [anchors, key] = [await store.list(tenant.id), await keys.signing()]
    const known = await keys.verifying()
    const last = anchors.at(-1)
    const from = last === undefined ? 1n : BigInt(last.position)
    const found = await source.read(
      tenant,
      async (log) => {
        let head: { readonly position: bigint; readonly hash: string } | undefined
        const batches = async function* (): ReturnType<typeof log.rows> {
          for await (const rows of log.rows(from)) {
            const end = rows.at(-1)
            if (end !== undefined) head = { position: end.position, hash: end.hash.toString('hex') }
            yield rows
          }
        }
        const verdict = await verifyLog({ tenant: tenant.id, batches: batches(), anchors, keys: known, from })
        return { verdict, head }
      },
      options,
    )
    if (found === undefined) return undefined
    const { verdict, head } = found
    if (!verdict.isSound) throw unsound(tenant, verdict, 'and is not signed')
    if (head === undefined || (last?.kind === 'head' && BigInt(last.position) === head.position)) return undefined
    const signed = signHead(
      { v: 1, kind: 'head', tenant: tenant.id, position: String(head.position), hash: head.hash, at: new Date(clock.now()).toISOString() },
      key,
    )
    await store.put(signed)
    return signed
  }

  /** Anchors the logs of all tenants, one after another. What fails is told, and the others go on. */
  async *anchorAll(options: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<Anchored, void, void> {
    for await (const tenant of this.#tenants(options.signal)) {
      try {
        yield { tenant, head: await this.anchor(tenant, options) }
      } catch (error) {
        if (options.signal?.aborted === true) return
        yield { tenant, error }
      }
    }
  }

  /** The entries that match, in the order of the log. Memory is bounded by one row of it. */
  async list(
    tenant: Tenant,
    filter: AuditFilter,
    take: (entry: AuditEntry) => void | Promise<void>,
    options: {
      readonly from?: bigint | undefined
      readonly signal?: AbortSignal | undefined
      /** Told of each row that was read. */
      readonly onRow?: ((position: bigint) => void) | undefined
    } = {},
  ): Promise<boolean> {
    const done = await this.#parts.source.read(
      tenant,
      async (log) => {
        for await (const rows of log.rows(options.from)) {
          for (const { position, payload } of rows) {
            for (const entry of entriesOf(position, payload)) if (matches(entry, filter)) await take(entry)
            options.onRow?.(position)
          }
        }
        return true
      },
      options,
    )
    return done ?? false
  }

  /** Anchors every log that has grown, in rounds, until the signal fires. Without a store of anchors there is nothing to keep. */
  async keep({
    signal,
    onError,
  }: {
    readonly signal: AbortSignal
    readonly onError?: ((error: unknown) => void) | undefined
  }): Promise<void> {
    const { anchors, anchorEveryMs } = this.#parts
    if (anchors === undefined) return
    while (!signal.aborted) {
      try {
        for await (const { error } of this.anchorAll({ signal })) if (error !== undefined) onError?.(error)
      } catch (error) {
        onError?.(error)
      }
      await pause(anchorEveryMs, signal)
    }
  }

  /**
   * Writes the log to a file, with a signed manifest beside it.
   *
   * @returns the manifest; undefined when the tenant has no log.
   * @throws {InvalidInputError} for a filter with `jsonl`, which has all rows.
   */
  async export(
    tenant: Tenant,
    options: {
      readonly to: string
      readonly format?: ExportFormat | undefined
      readonly filter?: AuditFilter | undefined
      readonly signal?: AbortSignal | undefined
    },
  ): Promise<ExportManifest | undefined> {
    const { source, keys, clock, product } = this.#parts
    const { to, format = 'jsonl', filter, signal } = options
    const [anchors, key] = [await this.#anchorsOf(tenant), await keys.signing()]
    const at = new Date(clock.now())
    return await source.read(tenant, async (log) => await exportLog({ tenant, log, to, format, filter, anchors, key, at, product }), {
      signal,
    })
  }

  async status(tenant: Tenant): Promise<AuditStatus> {
    const anchors = await this.#anchorsOf(tenant)
    const head = await this.#parts.source.head(tenant)
    const last = anchors.findLast(({ kind }) => kind === 'head')
    const pruned = anchors.findLast(({ kind }) => kind === 'pruned')
    return {
      head: head === null ? 0n : head?.position,
      headAt: head ? new Date(head.at) : undefined,
      anchoredTo: BigInt(last?.position ?? 0),
      anchoredAt: last && new Date(last.at),
      prunedTo: BigInt(pruned?.position ?? 0),
    }
  }

  /**
   * Removes what is older than `before` from the beginning of the log, after it was verified and it was signed and kept elsewhere that it was
   * to go: otherwise a log that begins later would look like one that was robbed. The last row always stays. Recorded in the control
   * plane's audit trail.
   *
   * @returns how many rows were removed, and up to which position.
   * @throws {AuditUnsoundError} when the log is not sound: evidence is not removed. {@link ConfigurationError} {@link ObjectStoreError}
   */
  async prune(
    tenant: Tenant,
    options: { readonly before: Date; readonly reason: string; readonly actor?: Actor | undefined },
  ): Promise<{ readonly removed: number; readonly upTo: bigint }> {
    const { source, keys, clock, auditTrail } = this.#parts
    const store = this.#store()
    const verdict = await this.verify(tenant)
    if (verdict === undefined) return { removed: 0, upTo: 0n }
    if (!verdict.isSound) throw unsound(tenant, verdict, 'and what is evidence of that is not pruned')
    const end = await source.read(tenant, async (log) => {
      let last: { readonly position: bigint; readonly hash: string } | undefined
      for await (const rows of log.rows()) {
        for (const row of rows) {
          if (Date.parse(row.at) >= options.before.getTime() || row.position === verdict.head) return last
          last = { position: row.position, hash: row.hash.toString('hex') }
        }
      }
      return last
    })
    if (end === undefined) return { removed: 0, upTo: 0n }
    const at = new Date(clock.now()).toISOString()
    await store.put(
      signHead({ v: 1, kind: 'pruned', tenant: tenant.id, position: String(end.position), hash: end.hash, at }, await keys.signing()),
    )
    await auditTrail.record({
      action: 'audit.pruned',
      outcome: 'allowed',
      actor: options.actor,
      tenantId: tenant.id,
      requestId: undefined,
      reason: options.reason,
      details: { upTo: String(end.position), before: options.before.toISOString() },
    })
    return { removed: await source.prune(tenant, end.position, options.before), upTo: end.position }
  }

  async *#tenants(signal: AbortSignal | undefined): AsyncGenerator<Tenant, void, void> {
    let page: TenantPage | undefined
    do {
      page = await this.#parts.tenants.list({ limit: 1_000, after: page?.next })
      for (const tenant of page.tenants) {
        if (signal?.aborted === true) return
        yield tenant
      }
    } while (page.next !== undefined)
  }

  async #anchorsOf(tenant: Tenant): Promise<readonly SignedHead[]> {
    return (await this.#parts.anchors?.list(tenant.id)) ?? []
  }

  #store(): AnchorStore {
    const { anchors } = this.#parts
    if (anchors !== undefined) return anchors
    throw new ConfigurationError(
      'There is no store of anchors. Pass openFleet({ audit: { anchors } }), or set audit in partywall.config.ts.',
    )
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}

function unsound(tenant: Tenant, { findings, findingsLeftOut }: AuditVerdict, consequence: string): AuditUnsoundError {
  const [first] = findings
  return new AuditUnsoundError(`The audit log of tenant ${tenant.id} is not sound, ${consequence}: ${first?.message}`, {
    details: {
      tenantId: tenant.id,
      findings: findings.slice(0, 10).map(({ kind, position, message }) => ({ kind, position: String(position), message })),
      more: findingsLeftOut + Math.max(0, findings.length - 10),
    },
  })
}
