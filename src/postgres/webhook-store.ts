// A tenant's endpoints of webhooks, in the table that partywall.create_events() makes among the tenant's own.

import type { OpenTransaction } from '../core/open-transaction.ts'
import type { TenantContext } from '../core/tenant-context.ts'
import { WrongTenantError } from '../errors.ts'
import type { SigningEndpoint, WebhookEndpoint, WebhookStore, WebhookStores } from '../resources/webhooks/webhook-store.ts'
import type { TenantHandle } from './tenant-handle.ts'

/** @see WebhookStores */
export class PostgresWebhookStores implements WebhookStores {
  readonly #doors: { for(context: TenantContext): TenantHandle }

  /** @param doors a tenancy, or what opens a tenant's rows like one. */
  constructor(doors: { for(context: TenantContext): TenantHandle }) {
    this.#doors = doors
  }

  for(context: TenantContext): WebhookStore {
    return new PostgresWebhookStore(this.#doors.for(context))
  }
}

interface EndpointRow {
  readonly id: string
  readonly url: string
  readonly types: readonly string[]
  readonly created_at: Date
  readonly failing_since: Date | null
  readonly disabled_at: Date | null
  readonly secrets: readonly string[]
}

const columns = 'w.id, w.url, w.types, w.created_at, w.failing_since, w.disabled_at'
const secrets = 'case when w.old_secret_until > clock_timestamp() then array[w.secret, w.old_secret] else array[w.secret] end as secrets'

class PostgresWebhookStore implements WebhookStore {
  readonly #handle: TenantHandle
  readonly #tenantId: string

  constructor(handle: TenantHandle) {
    this.#handle = handle
    this.#tenantId = handle.context.tenant.id
  }

  async add(endpoint: Parameters<WebhookStore['add']>[0], most: number): Promise<boolean> {
    const { id, url, types, secret } = endpoint
    return await this.#changes(
      `insert into webhook_endpoints (tenant_id, id, url, types, secret)
       select $1, $2, $3, $4::text[], $5
        where (select count(*) from webhook_endpoints as w where w.tenant_id = $1) < $6`,
      [id, url, types, secret, most],
    )
  }

  async list(): Promise<readonly WebhookEndpoint[]> {
    const rows = await this.#rows<EndpointRow>(`select ${columns} from webhook_endpoints as w where w.tenant_id = $1 order by w.id`, [])
    return rows.map(endpointOf)
  }

  async find(id: string): Promise<SigningEndpoint | undefined> {
    const [row] = await this.#rows<EndpointRow>(
      `select ${columns}, ${secrets} from webhook_endpoints as w where w.tenant_id = $1 and w.id = $2`,
      [id],
    )
    return row && { ...endpointOf(row), secrets: row.secrets }
  }

  async wanting(type: string, tx: OpenTransaction): Promise<readonly string[]> {
    const rows = await this.#rows<{ readonly id: string }>(
      `select w.id
         from webhook_endpoints as w
        where w.tenant_id = $1 and w.disabled_at is null and (w.types = '{}' or $2 = any (w.types))
        order by w.id`,
      [type],
      tx,
    )
    return rows.map(({ id }) => id)
  }

  async remove(id: string): Promise<boolean> {
    return await this.#changes('delete from webhook_endpoints as w where w.tenant_id = $1 and w.id = $2', [id])
  }

  async rotate(id: string, secret: string, overlapMs: number): Promise<boolean> {
    return await this.#changes(
      `update webhook_endpoints as w
          set secret = $3, old_secret = w.secret, old_secret_until = clock_timestamp() + $4 * interval '1 millisecond'
        where w.tenant_id = $1 and w.id = $2`,
      [id, secret, overlapMs],
    )
  }

  async enable(id: string): Promise<boolean> {
    return await this.#changes(
      'update webhook_endpoints as w set disabled_at = null, failing_since = null where w.tenant_id = $1 and w.id = $2',
      [id],
    )
  }

  async succeeded(id: string): Promise<void> {
    await this.#changes(
      `update webhook_endpoints as w set failing_since = null
        where w.tenant_id = $1 and w.id = $2 and w.failing_since is not null and w.disabled_at is null`,
      [id],
    )
  }

  async failed(id: string, disableAfterMs: number, tx: OpenTransaction): Promise<boolean> {
    const rows = await this.#rows<{ readonly is_disabled: boolean }>(
      `update webhook_endpoints as w
          set failing_since = coalesce(w.failing_since, clock_timestamp()),
              disabled_at = case when clock_timestamp() - coalesce(w.failing_since, clock_timestamp()) >= $3 * interval '1 millisecond'
                then clock_timestamp() end
        where w.tenant_id = $1 and w.id = $2 and w.disabled_at is null
       returning w.disabled_at is not null as is_disabled`,
      [id, disableAfterMs],
      tx,
    )
    return rows[0]?.is_disabled === true
  }

  async #changes(text: string, values: readonly unknown[]): Promise<boolean> {
    const { rowCount } = await this.#handle.query(text, [this.#tenantId, ...values])
    return rowCount === 1
  }

  async #rows<Row>(text: string, values: readonly unknown[], tx?: OpenTransaction): Promise<readonly Row[]> {
    if (tx !== undefined && tx.context.tenant.id !== this.#tenantId) {
      throw new WrongTenantError(`The transaction is of tenant ${tx.context.tenant.id}, the webhooks of tenant ${this.#tenantId}.`)
    }
    const { rows } = await (tx ?? this.#handle).query<Row>(text, [this.#tenantId, ...values])
    return rows
  }
}

function endpointOf(row: EndpointRow): WebhookEndpoint {
  return {
    id: row.id,
    url: row.url,
    types: row.types,
    createdAt: row.created_at,
    failingSince: row.failing_since ?? undefined,
    disabledAt: row.disabled_at ?? undefined,
  }
}
