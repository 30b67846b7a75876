// Tenants' audit logs where the tenants are: each batch goes to the database that serves its tenant at that moment.

import type { AuditAppendOutcome, AuditLog, AuditPayload } from '../core/audit-log.ts'
import type { Tenant, TenantId } from '../core/tenant.ts'
import { DatabaseUnavailableError } from '../errors.ts'
import type { MoveWait } from './move-wait.ts'
import type { AuditAppended, TenantDatabase, TenantDatabases } from './tenant-database.ts'

export interface PostgresAuditLogOptions {
  /** Of the servers themselves, not of replicas. */
  readonly databases: TenantDatabases
  /** Knows of tenants that were found to have moved. */
  readonly moveWait: MoveWait
}

export class PostgresAuditLog implements AuditLog {
  readonly #databases: TenantDatabases
  readonly #moveWait: MoveWait
  /** Where tenants were found that had moved since a context was made of them. */
  readonly #found = new Map<TenantId, Tenant>()

  constructor({ databases, moveWait }: PostgresAuditLogOptions) {
    this.#databases = databases
    this.#moveWait = moveWait
  }

  groupOf(tenant: Tenant): string {
    return this.#newest(tenant).placement.database
  }

  async append(batches: readonly AuditPayload[]): Promise<ReadonlyMap<TenantId, AuditAppendOutcome>> {
    const first = batches[0]
    if (first === undefined) return new Map()
    let appended: readonly AuditAppended[]
    try {
      appended = await this.#appendIn(await this.#databases.get(this.#newest(first.tenant)), batches)
    } catch (error) {
      return await this.#afterLoss(batches, error)
    }
    const tenants = new Map(batches.map(({ tenant }) => [tenant.id, tenant]))
    const outcomes = new Map<TenantId, AuditAppendOutcome>()
    for (const { tenant_id: id, outcome } of appended) {
      outcomes.set(id, outcome === 'appended' || outcome === 'no_log' ? outcome : await this.#afterMove(tenants.get(id)!))
    }
    return outcomes
  }

  /** All in one call; when one tenant was fenced in the middle of it, each by itself, so that it holds up no other. */
  async #appendIn(database: TenantDatabase, batches: readonly AuditPayload[]): Promise<readonly AuditAppended[]> {
    const { audit } = database
    if (audit === undefined) throw new DatabaseUnavailableError(`Audit logs are not written in ${database.name}: it is a replica.`)
    const ids = batches.map(({ tenant }) => tenant.id)
    const payloads = batches.map(({ payload }) => payload)
    try {
      return await audit.append(
        ids,
        payloads,
        batches.some(({ isRetry }) => isRetry),
      )
    } catch (error) {
      const tenantIds = [...new Set(ids)]
      if (!isOfOneTenant(error)) throw error
      if (tenantIds.length === 1) return [{ tenant_id: tenantIds[0]!, outcome: 'moving' }]
      const appended: AuditAppended[] = []
      for (const id of tenantIds) {
        const own = payloads.filter((_, index) => ids[index] === id)
        try {
          appended.push(
            ...(await audit.append(
              own.map(() => id),
              own,
              true,
            )),
          )
        } catch (refusal) {
          if (!isOfOneTenant(refusal)) throw refusal
          appended.push({ tenant_id: id, outcome: 'moving' })
        }
      }
      return appended
    }
  }

  /** It is not where we believed, or is on its way: looked up, and sent again. */
  async #afterMove(tenant: Tenant): Promise<AuditAppendOutcome> {
    const found = await this.#databases.locate(tenant)
    if (found === undefined) return 'gone'
    this.#found.set(tenant.id, found)
    return 'again'
  }

  /** A database of one's own goes when its tenant has moved away or is off-boarded. @throws what was caught, where it should be there. */
  async #afterLoss(batches: readonly AuditPayload[], error: unknown): Promise<ReadonlyMap<TenantId, AuditAppendOutcome>> {
    const [{ tenant }] = batches as [AuditPayload]
    if (batches.some((other) => other.tenant.id !== tenant.id)) throw error
    const { epoch } = this.#newest(tenant)
    const outcome = await this.#afterMove(tenant)
    if (outcome === 'again' && !(this.#newest(tenant).epoch > epoch)) throw error
    return new Map([[tenant.id, outcome]])
  }

  #newest(tenant: Tenant): Tenant {
    const found = this.#found.get(tenant.id)
    if (found !== undefined && found.epoch > tenant.epoch) return found
    if (found !== undefined) this.#found.delete(tenant.id)
    return this.#moveWait.newest(tenant)
  }
}

/** The database refused it because of one tenant's gate. */
function isOfOneTenant(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return code === 'PW_TENANT_MOVING' || code === 'PW_OPERATION_IN_PROGRESS' || code === 'PW005' || code === 'PW014'
}
