// What tenants have used: how it is written down, and read.

import type { Clock } from './core/clock.ts'
import { parseTenantRef, type TenantId, type TenantRef } from './core/tenant.ts'
import type { TenantScope } from './core/tenant-context.ts'
import type { Tenants } from './core/tenants.ts'
import { UsageMeter } from './core/usage-meter.ts'
import { BreakGlassRefusedError, ConfigurationError, InvalidInputError, TenantNotFoundError } from './errors.ts'
import type { PostgresUsageLog, UsageEntry, UsageRange } from './postgres/usage-log.ts'

export interface UsageOptions {
  /** How long an amount waits to be written, in milliseconds: 1,000 to 600,000; default 15,000. A killed process loses as much. */
  readonly flushEveryMs?: number | undefined
  /** Told when nothing can be written; it is kept, and tried again. Default: a process warning, once a minute. */
  readonly onStalled?: ((error: unknown) => void) | undefined
}

/** What is read: of which time, and in which steps. */
export interface UsageQuery extends Pick<UsageRange, 'since' | 'until'> {
  /** Default `day`. */
  readonly by?: UsageRange['by'] | undefined
}

/** The most days that are read by the hour, and those that are read at all. */
const hoursDaysMax = 92
const daysMax = 3_660
const dayMs = 86_400_000

/** The usage of tenants, UTC. What this process has not written yet is not in it: call `flush()` first. */
export class TenantUsage {
  readonly #parts: {
    readonly log: PostgresUsageLog
    readonly meter: UsageMeter | undefined
    readonly scope: TenantScope
    readonly tenants: Tenants
  }

  /** @internal */
  constructor(parts: {
    readonly log: PostgresUsageLog
    readonly meter: UsageMeter | undefined
    readonly scope: TenantScope
    readonly tenants: Tenants
  }) {
    this.#parts = parts
  }

  /**
   * What the tenant in context has used: for its own eyes.
   *
   * @throws {NoTenantError} outside every tenant. {@link InvalidInputError}
   */
  async own(query: UsageQuery): Promise<readonly UsageEntry[]> {
    const { scope, log } = this.#parts
    const { tenant, grant } = scope.current()
    if (grant !== undefined) throw new BreakGlassRefusedError('A grant opens the tenant’s tables, and nothing else.')
    return await log.read({ ...checked(query), tenantId: tenant.id })
  }

  /**
   * What one tenant, or every tenant, has used: for bills and for the operators. Outside every tenant's scope alone.
   *
   * @example
   * ```ts
   * const bill = await tenancy.usage.read({ tenant: 'acme', since: new Date('2026-11-01'), until: new Date('2026-12-01'), by: 'month' })
   * ```
   *
   * @throws {InvalidInputError} {@link TenantNotFoundError}
   */
  async read({ tenant, ...query }: UsageQuery & { readonly tenant?: TenantRef | undefined }): Promise<readonly UsageEntry[]> {
    const { scope, log, tenants } = this.#parts
    const inside = scope.tryCurrent()
    if (inside !== undefined) throw new InvalidInputError('Inside the scope of a tenant its own usage is read: usage.own().')
    const range = checked(query)
    const tenantId: TenantId | undefined = tenant === undefined ? undefined : await idOf(tenants, tenant)
    return await log.read({ ...range, tenantId })
  }

  /** Writes down what this process has counted. What cannot be written is kept. */
  async flush(): Promise<void> {
    await this.#parts.meter?.flush()
  }

  /** Deletes what is older: 1 to 3,660 days. For a nightly task. @returns how many entries. @throws {InvalidInputError} */
  async trim(days: number): Promise<number> {
    if (!Number.isInteger(days) || days < 1 || days > daysMax) throw new InvalidInputError(`Usage is kept for 1 to ${daysMax} days.`)
    return await this.#parts.log.trim(days)
  }
}

/** Whatever its status: bills are made of those who did not pay, too. */
async function idOf(tenants: Tenants, ref: TenantRef): Promise<TenantId> {
  const found = await tenants.find(parseTenantRef(ref))
  if (found === undefined) throw new TenantNotFoundError('There is no such tenant.')
  return found.id
}

/** @internal */
export function openUsageMeter(options: UsageOptions | undefined, log: PostgresUsageLog, clock: Clock): UsageMeter | undefined {
  if (options === undefined) return undefined
  const { flushEveryMs = 15_000 } = options
  if (!(flushEveryMs >= 1_000 && flushEveryMs <= 600_000)) throw new ConfigurationError('usage.flushEveryMs is 1,000 to 600,000.')
  return new UsageMeter({ log, clock, flushEveryMs, onStalled: options.onStalled ?? warningOfStalled(clock) })
}

function checked({ since, until, by = 'day' }: UsageQuery): UsageRange {
  const days = (until.getTime() - since.getTime()) / dayMs
  if (!(days >= 0)) throw new InvalidInputError('Usage is read from one moment to a later one.')
  if (by !== 'hour' && by !== 'day' && by !== 'month') throw new InvalidInputError('Usage is read by hour, day or month.')
  const max = by === 'hour' ? hoursDaysMax : daysMax
  if (days > max) throw new InvalidInputError(`By the ${by}, usage is read for at most ${max} days.`)
  return { since, until, by }
}

/** @internal Once a minute at most. */
export function warningOfStalled(clock: Clock): (error: unknown) => void {
  let toldAt = Number.NEGATIVE_INFINITY
  return (error) => {
    if (clock.monotonic() - toldAt < 60_000) return
    toldAt = clock.monotonic()
    const { name = 'Error', code = '' } = (error ?? {}) as { readonly name?: string; readonly code?: string }
    process.emitWarning(`Usage of tenants, or an observer of it: ${name} ${code}. What is counted is kept.`, { code: 'PARTYWALL_USAGE' })
  }
}
