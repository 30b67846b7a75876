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
import type { AuditRow } from './chain.ts'
import { type AuditFilter, assertFilter, matches } from './entry-filter.ts'
import { type ExportFormat, type ExportManifest, exportLog } from './export-log.ts'
import type { LogKeys } from './log-keys.ts'
import type { LogSource, OpenLog } from './log-source.ts'
import { type HeadKind, type SignedHead, signHead } from './signed-head.ts'
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
   * A log that was signed and whose table is not there is judged as one whose entries have all been taken away.
   *
   * @returns undefined when the tenant has no audit log, and had none.
   */
  async verify(tenant: Tenant, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<AuditVerdict | undefined> {
    return (await this.#walk(tenant, () => {}, options))?.verdict
  }

  /**
   * Signs the head of the log and keeps it elsewhere, after what came since the last anchor was verified: a broken chain is never signed.
   *
   * @returns undefined when there is nothing new, or no log.
   * @throws {AuditUnsoundError} with the findings. {@link ConfigurationError} when there is no store of anchors. {@link ObjectStoreError}
   */
  async anchor(tenant: Tenant, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<SignedHead | undefined> {
    const { source, keys } = this.#parts
    const last = await this.#store().latest(tenant.id)
    const now = await source.head(tenant)
    // Most logs have not grown since the last time.
    if (last === undefined ? !now : now && isHeadAt(last, now)) return undefined
    const anchors = last === undefined ? [] : [last]
    // The row of a head is still there; that of a checkpoint is what was pruned.
    const from = last === undefined ? 1n : BigInt(last.position) + (last.kind === 'pruned' ? 1n : 0n)
    const known = await keys.verifying()
    let end: AuditRow | undefined
    const judge = async (log: OpenLog): Promise<AuditVerdict> => {
      const batches = told(log.rows(from), (row) => {
        end = row
      })
      return await verifyLog({ tenant: tenant.id, batches, anchors, keys: known, from })
    }
    const verdict = await source.read(tenant, judge, options)
    // The table may have gone, or come, since we asked.
    const sound = verdict ?? (await judge(noRows))
    if (!sound.isSound) throw unsound(tenant, sound, 'and is not signed')
    return end === undefined || (last !== undefined && isHeadAt(last, end)) ? undefined : await this.#sign('head', tenant, end)
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

  /**
   * The entries that match, in the order of the log. Memory is bounded by one row of it.
   *
   * @returns false when the tenant has no log.
   * @throws {InvalidInputError} for a time that is none.
   */
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
    assertFilter(filter)
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
   * @throws {InvalidInputError} for a filter with `jsonl`, which has all rows; for a time that is none.
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
    const { source, auditTrail } = this.#parts
    this.#store()
    let goes: AuditRow | undefined
    let last: AuditRow | undefined
    // A row goes when another comes after it, and nothing before it stays.
    let mayGo = true
    const walked = await this.#walk(tenant, (row) => {
      if (mayGo && last !== undefined) goes = last
      mayGo &&= Date.parse(row.at) < options.before.getTime()
      last = row
    })
    if (walked === undefined) return { removed: 0, upTo: 0n }
    const { verdict, anchors } = walked
    if (!verdict.isSound) throw unsound(tenant, verdict, 'and what is evidence of that is not pruned')
    if (goes === undefined || last === undefined) return { removed: 0, upTo: 0n }
    // Signed first: a head whose row is pruned would leave the next one nothing to go on from.
    const { position } = last
    if (!anchors.some((anchor) => anchor.kind === 'head' && BigInt(anchor.position) === position)) await this.#sign('head', tenant, last)
    await this.#sign('pruned', tenant, goes)
    await auditTrail.record({
      action: 'audit.pruned',
      outcome: 'allowed',
      actor: options.actor,
      tenantId: tenant.id,
      requestId: undefined,
      reason: options.reason,
      details: { upTo: String(goes.position), before: options.before.toISOString() },
    })
    return { removed: await source.prune(tenant, goes.position, options.before), upTo: goes.position }
  }

  /** Verifies the whole log, and tells of each row. Undefined when there is none and was none. */
  async #walk(
    tenant: Tenant,
    onRow: (row: AuditRow) => void,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<{ readonly verdict: AuditVerdict; readonly anchors: readonly SignedHead[] } | undefined> {
    const { source, keys } = this.#parts
    // Asked first: a head that is signed while we read is of what we may not have read.
    const [anchors, known] = [await this.#anchorsOf(tenant), await keys.verifying()]
    const judge = async (log: OpenLog): Promise<AuditVerdict> =>
      await verifyLog({ tenant: tenant.id, batches: told(log.rows(), onRow), anchors, keys: known })
    const verdict = (await source.read(tenant, judge, options)) ?? (anchors.length === 0 ? undefined : await judge(noRows))
    return verdict && { verdict, anchors }
  }

  async #sign(kind: HeadKind, tenant: Tenant, { position, hash }: AuditRow): Promise<SignedHead> {
    const at = new Date(this.#parts.clock.now()).toISOString()
    const head = { v: 1, kind, tenant: tenant.id, position: String(position), hash: hash.toString('hex'), at } as const
    const signed = signHead(head, await this.keys.signing())
    await this.#store().put(signed)
    return signed
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

/** A table that is not there, to whoever knows that it was. */
const noRows: OpenLog = {
  rows: async function* () {},
}

async function* told(batches: AsyncIterable<readonly AuditRow[]>, onRow: (row: AuditRow) => void): AsyncGenerator<readonly AuditRow[]> {
  for await (const rows of batches) {
    rows.forEach(onRow)
    yield rows
  }
}

function isHeadAt(head: SignedHead, { position, hash }: AuditRow): boolean {
  return head.kind === 'head' && BigInt(head.position) === position && head.hash === hash.toString('hex')
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
