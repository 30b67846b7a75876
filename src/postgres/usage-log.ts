// Usage in the catalog's database, written and read over the gatekeeper's login.

import type { TenantId } from '../core/tenant.ts'
import { type UsageBatch, type UsageLog, type UsageMetric, usageMetrics } from '../core/usage-meter.ts'
import type { ControlConnection } from './control-pool.ts'

/** What one tenant used in one hour, day or month. */
export interface UsageEntry {
  readonly tenantId: TenantId
  /** When it begins, UTC. */
  readonly from: Date
  readonly metric: UsageMetric
  readonly amount: number
}

/** Which of it. */
export interface UsageRange {
  /** One tenant's alone. */
  readonly tenantId?: TenantId | undefined
  /** From the hour that begins then or later, to the last that begins before `until`. */
  readonly since: Date
  readonly until: Date
  readonly by: 'hour' | 'day' | 'month'
}

export class PostgresUsageLog implements UsageLog {
  readonly #control: ControlConnection

  /** @param control the gatekeeper's. */
  constructor(control: ControlConnection) {
    this.#control = control
  }

  async add({ source, number, ageMs, amounts }: UsageBatch): Promise<void> {
    const rows = [...amounts].flatMap(([id, counts]) =>
      usageMetrics.filter((metric) => counts[metric] > 0).map((metric) => ({ id, metric, amount: counts[metric] })),
    )
    await this.#control.query('select partywall.add_usage($1, $2, $3, $4::uuid[], $5::text[], $6::double precision[])', [
      source,
      number,
      Math.round(ageMs),
      rows.map(({ id }) => id),
      rows.map(({ metric }) => metric),
      rows.map(({ amount }) => amount),
    ])
  }

  async read({ tenantId, since, until, by }: UsageRange): Promise<readonly UsageEntry[]> {
    const rows = await this.#control.query<{ tenant_id: TenantId; from: Date; metric: UsageMetric; amount: number }>(
      'select u.tenant_id, u."from", u.metric, u.amount from partywall.read_usage($1, $2, $3, $4) as u',
      [tenantId ?? null, since, until, by],
    )
    return rows.map(({ tenant_id, from, metric, amount }) => ({ tenantId: tenant_id, from, metric, amount }))
  }

  /** @returns how many entries were deleted. */
  async trim(days: number): Promise<number> {
    const [row] = await this.#control.query<{ trimmed: string }>('select partywall.trim_usage($1) as trimmed', [days])
    return Number(row?.trimmed ?? 0)
  }
}
