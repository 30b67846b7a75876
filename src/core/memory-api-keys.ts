// API keys in memory: for tests and trials. It forgets them with the process.

import { ConstraintError, RowNotFoundError, TenantNotFoundError } from '../errors.ts'
import {
  type ApiKey,
  type ApiKeys,
  checkListLimit,
  checkNewApiKey,
  checkRotation,
  type NewApiKey,
  type RotatedApiKey,
  type StoredApiKey,
  touchEveryMs,
} from './api-keys.ts'
import { type Clock, systemClock } from './clock.ts'
import type { TenantId } from './tenant.ts'

/** Keeps the contract of {@link ApiKeys}. `tenantExists` stands for the foreign key of the real one. */
export class MemoryApiKeys implements ApiKeys {
  readonly #keys = new Map<string, StoredApiKey>()
  readonly #clock: Clock
  readonly #tenantExists: (id: TenantId) => boolean

  constructor(options: { readonly clock?: Clock | undefined; readonly tenantExists?: ((id: TenantId) => boolean) | undefined } = {}) {
    this.#clock = options.clock ?? systemClock
    this.#tenantExists = options.tenantExists ?? (() => true)
  }

  async find(prefix: string): Promise<StoredApiKey | undefined> {
    return this.#keys.get(prefix)
  }

  async touch(prefix: string): Promise<void> {
    const key = this.#keys.get(prefix)
    const now = this.#clock.now()
    if (key === undefined || (key.lastUsedAt !== undefined && now - key.lastUsedAt.getTime() < touchEveryMs)) return
    this.#keys.set(prefix, { ...key, lastUsedAt: new Date(now) })
  }

  async create(key: NewApiKey): Promise<ApiKey> {
    checkNewApiKey(key)
    if (!this.#tenantExists(key.tenantId)) throw new TenantNotFoundError(`There is no tenant ${key.tenantId}.`)
    if (this.#keys.has(key.prefix)) throw new ConstraintError('An API key with this prefix exists already.')
    const stored: StoredApiKey = {
      ...key,
      secretHash: key.secretHash.slice(),
      createdAt: new Date(this.#clock.now()),
      revokedAt: undefined,
      lastUsedAt: undefined,
      replacedBy: undefined,
    }
    this.#keys.set(key.prefix, stored)
    return withoutHash(stored)
  }

  async rotate(tenantId: TenantId, prefix: string, next: RotatedApiKey): Promise<ApiKey> {
    checkRotation(next)
    const now = this.#clock.now()
    const old = this.#own(tenantId, prefix)
    if (old.revokedAt !== undefined || old.replacedBy !== undefined || (old.expiresAt !== undefined && old.expiresAt.getTime() <= now)) {
      throw new RowNotFoundError(`The API key ${prefix} cannot be rotated: it is revoked, expired or rotated already.`)
    }
    const { secretHash, expiresAt } = next
    const created = await this.create({ tenantId, name: old.name, scopes: old.scopes, prefix: next.prefix, secretHash, expiresAt })
    const graceEnds = now + next.graceSec * 1000
    const ends = new Date(Math.min(old.expiresAt?.getTime() ?? graceEnds, graceEnds))
    this.#keys.set(prefix, { ...old, expiresAt: ends, replacedBy: next.prefix })
    return created
  }

  async revoke(tenantId: TenantId, prefix: string): Promise<void> {
    const key = this.#own(tenantId, prefix)
    this.#keys.set(prefix, { ...key, revokedAt: key.revokedAt ?? new Date(this.#clock.now()) })
  }

  async list(
    tenantId: TenantId,
    options: { readonly limit?: number | undefined; readonly after?: string | undefined } = {},
  ): Promise<readonly ApiKey[]> {
    const limit = checkListLimit(options.limit)
    return [...this.#keys.values()]
      .filter((key) => key.tenantId === tenantId && key.prefix > (options.after ?? ''))
      .sort((a, b) => (a.prefix < b.prefix ? -1 : 1))
      .slice(0, limit)
      .map(withoutHash)
  }

  #own(tenantId: TenantId, prefix: string): StoredApiKey {
    const key = this.#keys.get(prefix)
    if (key === undefined || key.tenantId !== tenantId)
      throw new RowNotFoundError(`Tenant ${tenantId} has no API key ${JSON.stringify(prefix)}.`)
    return key
  }
}

function withoutHash(stored: StoredApiKey): ApiKey {
  const { secretHash: _, ...key } = stored
  return key
}
