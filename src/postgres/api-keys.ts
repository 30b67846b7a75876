// API keys in PostgreSQL. A serving process looks keys up over the gatekeeper's login; making, rotating and revoking them
// takes the migrator's, which it need not have.

import {
  type ApiKey,
  type ApiKeys,
  checkListLimit,
  checkNewApiKey,
  checkRotation,
  type NewApiKey,
  type RotatedApiKey,
  type StoredApiKey,
} from '../core/api-keys.ts'
import type { TenantId } from '../core/tenant.ts'
import { ConfigurationError, ConstraintError, RowNotFoundError, TenantNotFoundError } from '../errors.ts'
import type { ControlConnection } from './control-pool.ts'

export interface PostgresApiKeysOptions {
  /** Finds and touches keys. */
  readonly gatekeeper: ControlConnection
  /** Creates, rotates, revokes and lists keys. Without it these are refused. */
  readonly migrator?: ControlConnection | undefined
}

interface ApiKeyRow {
  readonly prefix: string
  readonly tenant_id: TenantId
  readonly name: string
  readonly scopes: readonly string[]
  readonly created_at: Date
  readonly expires_at: Date | null
  readonly revoked_at: Date | null
  readonly last_used_at: Date | null
  readonly replaced_by: string | null
}

const columns = 'prefix, tenant_id, name, scopes, created_at, expires_at, revoked_at, last_used_at, replaced_by'

/** Keeps the contract of {@link ApiKeys}. The database's clock decides. */
export class PostgresApiKeys implements ApiKeys {
  readonly #gatekeeper: ControlConnection
  readonly #migrator: ControlConnection | undefined

  constructor(options: PostgresApiKeysOptions) {
    this.#gatekeeper = options.gatekeeper
    this.#migrator = options.migrator
  }

  async find(prefix: string): Promise<StoredApiKey | undefined> {
    const [row] = await this.#gatekeeper.query<ApiKeyRow & { readonly secret_hash: Uint8Array }>(
      `select ${columns}, secret_hash from partywall.find_api_key($1)`,
      [prefix],
    )
    return row && { ...keyOf(row), secretHash: row.secret_hash }
  }

  async touch(prefix: string): Promise<void> {
    await this.#gatekeeper.query('select partywall.touch_api_key($1)', [prefix])
  }

  async create(key: NewApiKey): Promise<ApiKey> {
    checkNewApiKey(key)
    const [row] = await translated(() =>
      this.#owner().query<ApiKeyRow>(
        `insert into partywall.api_keys (prefix, tenant_id, secret_hash, name, scopes, expires_at)
         values ($1, $2, $3, $4, $5, $6)
         returning ${columns}`,
        [key.prefix, key.tenantId, Buffer.from(key.secretHash), key.name, key.scopes, key.expiresAt],
      ),
    )
    return keyOf(row as ApiKeyRow)
  }

  async rotate(tenantId: TenantId, prefix: string, next: RotatedApiKey): Promise<ApiKey> {
    checkRotation(next)
    const [row] = await translated(() =>
      this.#owner().query<ApiKeyRow>(
        `with old as (
           update partywall.api_keys as k
              set expires_at = least(k.expires_at, clock_timestamp() + make_interval(secs => $6)),
                  replaced_by = $3
            where k.tenant_id = $1
              and k.prefix = $2
              and k.revoked_at is null
              and k.replaced_by is null
              and (k.expires_at is null or k.expires_at > clock_timestamp())
           returning k.tenant_id, k.name, k.scopes
         )
         insert into partywall.api_keys (prefix, tenant_id, secret_hash, name, scopes, expires_at)
         select $3, old.tenant_id, $4, old.name, old.scopes, $5
           from old
         returning ${columns}`,
        [tenantId, prefix, next.prefix, Buffer.from(next.secretHash), next.expiresAt, next.graceSec],
      ),
    )
    if (row === undefined) {
      throw new RowNotFoundError(
        `Tenant ${tenantId} has no API key ${JSON.stringify(prefix)} to rotate: unknown, revoked, expired or rotated already.`,
      )
    }
    return keyOf(row)
  }

  async revoke(tenantId: TenantId, prefix: string): Promise<void> {
    const rows = await this.#owner().query(
      `update partywall.api_keys as k
          set revoked_at = coalesce(k.revoked_at, clock_timestamp())
        where k.tenant_id = $1
          and k.prefix = $2
       returning k.prefix`,
      [tenantId, prefix],
    )
    if (rows.length === 0) throw new RowNotFoundError(`Tenant ${tenantId} has no API key ${JSON.stringify(prefix)}.`)
  }

  async list(
    tenantId: TenantId,
    options: { readonly limit?: number | undefined; readonly after?: string | undefined } = {},
  ): Promise<readonly ApiKey[]> {
    const rows = await this.#owner().query<ApiKeyRow>(
      `select ${columns}
         from partywall.api_keys
        where tenant_id = $1
          and prefix > $2
        order by prefix
        limit $3`,
      [tenantId, options.after ?? '', checkListLimit(options.limit)],
    )
    return rows.map(keyOf)
  }

  #owner(): ControlConnection {
    if (this.#migrator !== undefined) return this.#migrator
    throw new ConfigurationError(
      "API keys are made, rotated, revoked and listed over the migrator's login. Give one to PostgresApiKeys({ migrator }).",
    )
  }
}

function keyOf(row: ApiKeyRow): ApiKey {
  return {
    prefix: row.prefix,
    tenantId: row.tenant_id,
    name: row.name,
    scopes: row.scopes,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    revokedAt: row.revoked_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
    replacedBy: row.replaced_by ?? undefined,
  }
}

/** Constraint failures by their situation: https://www.postgresql.org/docs/current/errcodes-appendix.html, class 23. */
async function translated<T>(fn: () => Promise<T>): Promise<T> {
  try {
    return await fn()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === '23503') throw new TenantNotFoundError('The API key is for a tenant that does not exist.', { cause: error })
    if (code === '23505') throw new ConstraintError('An API key with this prefix exists already.', { cause: error })
    throw error
  }
}
