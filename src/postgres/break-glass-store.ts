// Grants and staff in the catalog. A serving process reads them, and opens and ends grants, over the gatekeeper's login; what is asked
// for and decided takes the migrator's.

import type { Grant, GrantState } from '../core/break-glass.ts'
import type { GrantScope } from '../core/break-glass-documents.ts'
import type { BreakGlassStore, GrantFilter, SignedDecision, SignedRequest } from '../core/break-glass-store.ts'
import type { StaffMember } from '../core/staff.ts'
import type { TenantId } from '../core/tenant.ts'
import { ConfigurationError, ConstraintError } from '../errors.ts'
import type { ControlConnection } from './control-pool.ts'

interface GrantRow {
  readonly id: string
  readonly tenant_id: TenantId
  readonly scope: GrantScope
  readonly minutes: number
  readonly reason: string
  readonly ticket: string
  readonly state: GrantState
  readonly requested_by: string
  readonly requested_at: Date
  readonly request_signature: string
  readonly decided_by: string | null
  readonly decided_at: Date | null
  readonly decision_signature: string | null
  readonly expires_at: Date | null
  readonly opened_at: Date | null
  readonly ended_at: Date | null
  readonly ended_by: string | null
}

interface StaffRow {
  readonly id: string
  readonly name: string
  readonly public_key: string
  readonly added_by: string
  readonly added_at: Date
  readonly removed_at: Date | null
}

const grantColumns = `g.id, g.tenant_id, g.scope, g.minutes, g.reason, g.ticket, g.state, g.requested_by, g.requested_at, g.request_signature,
  g.decided_by, g.decided_at, g.decision_signature, g.expires_at, g.opened_at, g.ended_at, g.ended_by`
const staffColumns = 's.id, s.name, s.public_key, s.added_by, s.added_at, s.removed_at'

export class PostgresBreakGlassStore implements BreakGlassStore {
  readonly #reader: ControlConnection
  readonly #writer: ControlConnection | undefined

  /** @param logins `writer`: the migrator's, in a process that asks, decides, and knows staff. */
  constructor({ reader, writer }: { readonly reader: ControlConnection; readonly writer?: ControlConnection | undefined }) {
    this.#reader = reader
    this.#writer = writer
  }

  async find(id: string): Promise<Grant | undefined> {
    const rows = await this.#reader.query<GrantRow>(`select ${grantColumns} from partywall.break_glass_grants as g where g.id = $1`, [id])
    return rows.map(grantOf)[0]
  }

  async list({ tenantId, isLive = false, limit = 100 }: GrantFilter = {}): Promise<readonly Grant[]> {
    const rows = await this.#reader.query<GrantRow>(
      `select ${grantColumns}
         from partywall.break_glass_grants as g
        where ($1::uuid is null or g.tenant_id = $1)
          and (not $2::boolean or g.state in ('requested', 'approved', 'open'))
        order by g.requested_at desc, g.id desc
        limit $3`,
      [tenantId, isLive, limit],
    )
    return rows.map(grantOf)
  }

  async request(request: SignedRequest): Promise<void> {
    const { id, tenantId, scope, minutes, reason, ticket, requestedBy, requestedAt, requestSignature } = request
    await this.#write(
      `insert into partywall.break_glass_grants
         (id, tenant_id, scope, minutes, reason, ticket, requested_by, requested_at, request_signature)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [id, tenantId, scope, minutes, reason, ticket, requestedBy, requestedAt, requestSignature],
    )
  }

  async decide(id: string, { kind, by, at, signature }: SignedDecision, expiresAt: Date | undefined): Promise<boolean> {
    const rows = await this.#write(
      `update partywall.break_glass_grants as g
          set state = $2, decided_by = $3, decided_at = $4, decision_signature = $5, expires_at = $6,
              ended_at = case when $2 = 'denied' then clock_timestamp() end, ended_by = case when $2 = 'denied' then $3 end
        where g.id = $1 and g.state = 'requested'
       returning g.id`,
      [id, kind, by, at, signature, expiresAt],
    )
    return rows.length > 0
  }

  async advance(id: string, state: 'open' | 'ended' | 'expired', by: string): Promise<boolean> {
    const [row] = await this.#reader.query<{ done: boolean }>('select partywall.advance_grant($1, $2, $3) as done', [id, state, by])
    return row?.done === true
  }

  async revoke(id: string, by: string): Promise<boolean> {
    const rows = await this.#write(
      `update partywall.break_glass_grants as g set state = 'revoked', ended_at = clock_timestamp(), ended_by = $2
        where g.id = $1 and g.state in ('requested', 'approved', 'open')
       returning g.id`,
      [id, by],
    )
    return rows.length > 0
  }

  async findStaff(id: string): Promise<StaffMember | undefined> {
    const rows = await this.#reader.query<StaffRow>(`select ${staffColumns} from partywall.staff as s where s.id = $1`, [id])
    return rows.map(staffOf)[0]
  }

  async listStaff(): Promise<readonly StaffMember[]> {
    return (await this.#reader.query<StaffRow>(`select ${staffColumns} from partywall.staff as s order by s.id`)).map(staffOf)
  }

  async addStaff({ id, name, publicKey, addedBy }: Pick<StaffMember, 'id' | 'name' | 'publicKey' | 'addedBy'>): Promise<void> {
    await this.#write('insert into partywall.staff (id, name, public_key, added_by) values ($1, $2, $3, $4)', [
      id,
      name,
      publicKey,
      addedBy,
    ])
  }

  async removeStaff(id: string): Promise<boolean> {
    const rows = await this.#write(
      'update partywall.staff as s set removed_at = clock_timestamp() where s.id = $1 and s.removed_at is null returning s.id',
      [id],
    )
    return rows.length > 0
  }

  async #write(text: string, values: readonly unknown[]): Promise<readonly object[]> {
    if (this.#writer === undefined) throw new ConfigurationError('This needs the migrator’s login: do it over a fleet.')
    try {
      return await this.#writer.query(text, values)
    } catch (error) {
      // Class 23: what the database can see of the rules. What is signed and kept is refused as a privilege.
      const code = String((error as { code?: unknown }).code)
      if (code.startsWith('23')) throw new ConstraintError(`The catalog refused it: ${(error as Error).message}.`, { cause: error })
      throw error
    }
  }
}

function grantOf(row: GrantRow): Grant {
  return Object.freeze({
    id: row.id,
    tenantId: row.tenant_id,
    scope: row.scope,
    minutes: row.minutes,
    reason: row.reason,
    ticket: row.ticket,
    state: row.state,
    requestedBy: row.requested_by,
    requestedAt: row.requested_at,
    requestSignature: row.request_signature,
    decidedBy: row.decided_by ?? undefined,
    decidedAt: row.decided_at ?? undefined,
    decisionSignature: row.decision_signature ?? undefined,
    expiresAt: row.expires_at ?? undefined,
    openedAt: row.opened_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    endedBy: row.ended_by ?? undefined,
  })
}

function staffOf(row: StaffRow): StaffMember {
  return Object.freeze({
    id: row.id,
    name: row.name,
    publicKey: row.public_key,
    addedBy: row.added_by,
    addedAt: row.added_at,
    removedAt: row.removed_at ?? undefined,
  })
}
