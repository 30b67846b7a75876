// The journal of moves in PostgreSQL. Reads go over the gatekeeper's login, writes over the migrator's.

import type { Actor } from '../../core/actor.ts'
import type { Move, MoveOptions, MoveProblem, MoveState, MoveVerb } from '../../core/move.ts'
import type { Placement } from '../../core/placement.ts'
import type { GateState } from '../../core/placement-adapter.ts'
import type { Json, TenantId } from '../../core/tenant.ts'
import { InvalidInputError, OperationInProgressError } from '../../errors.ts'
import type { ClaimedFence, MoveAdvance, MoveClaim, MoveJournal, MoveListOptions, NewMove } from '../../operations/moves/move-journal.ts'
import type { ControlConnection, ControlPool } from '../control-pool.ts'

export interface PostgresMoveJournalOptions {
  /** The gatekeeper's login. */
  readonly reader: ControlConnection
  /** The migrator's login. */
  readonly writer: ControlPool
  /** Moves the tenant's own row, in the transaction of the switch. */
  readonly arrive: (connection: ControlConnection, tenantId: TenantId, to: Placement) => Promise<void>
}

/** @see MoveJournal */
export class PostgresMoveJournal implements MoveJournal {
  readonly #reader: ControlConnection
  readonly #writer: ControlPool
  readonly #arrive: PostgresMoveJournalOptions['arrive']

  constructor(options: PostgresMoveJournalOptions) {
    this.#reader = options.reader
    this.#writer = options.writer
    this.#arrive = options.arrive
  }

  async begin({ id, tenantId, source, target, options, actor, reason }: NewMove): Promise<Move> {
    return await told(tenantId, async () => {
      const [row] = await this.#writer.query<MoveRow>(
        // Numbers of fences grow over all moves of a tenant: a gate that was moved before refuses what comes too late.
        `insert into partywall.moves as m (id, tenant_id, source, target, options, actor_kind, actor_id, reason, fence)
         select $1, $2, $3::jsonb, $4::jsonb, $5::jsonb, $6, $7, $8, coalesce(max(b.fence), 0) + 1
           from partywall.moves as b
          where b.tenant_id = $2
         returning ${columns}`,
        [id, tenantId, JSON.stringify(source), JSON.stringify(target), JSON.stringify(options), actor.kind, actor.id, reason],
      )
      return moveOf(row as MoveRow)
    })
  }

  async find(id: string): Promise<Move | undefined> {
    const [row] = await this.#reader.query<MoveRow>(`select ${columns} from partywall.moves as m where m.id = $1`, [id])
    return row && moveOf(row)
  }

  async findOf(tenantId: TenantId): Promise<Move | undefined> {
    const [row] = await this.#reader.query<MoveRow>(
      `select ${columns} from partywall.moves as m where m.tenant_id = $1 order by (m.finished_at is null) desc, m.id desc limit 1`,
      [tenantId],
    )
    return row && moveOf(row)
  }

  async list({ tenantId, state, open, limit = 100 }: MoveListOptions = {}): Promise<readonly Move[]> {
    if (!(Number.isInteger(limit) && limit >= 1 && limit <= 1_000)) throw new InvalidInputError(`limit is ${limit}; it may be 1 to 1,000.`)
    const rows = await this.#reader.query<MoveRow>(
      `select ${columns}
         from partywall.moves as m
        where ($1::uuid is null or m.tenant_id = $1::uuid)
          and ($2::text is null or m.state = $2::text)
          and (not $3 or m.finished_at is null)
        order by m.id desc
        limit $4`,
      [tenantId, state, open ?? false, limit],
    )
    return rows.map(moveOf)
  }

  async wish(id: string, verb: MoveVerb): Promise<Move | undefined> {
    const [row] = await this.#writer.query<MoveRow>(
      `update partywall.moves as m
          set wish = $2, problem = null, due_at = clock_timestamp(), updated_at = clock_timestamp()
        where m.id = $1 and m.finished_at is null
       returning ${columns}`,
      [id, verb],
    )
    return row && moveOf(row)
  }

  async claimDue(owner: string, leaseMs: number, id?: string): Promise<Move | undefined> {
    const [row] = await this.#writer.query<MoveRow>(
      `update partywall.moves as m
          set owner = $1, owned_until = clock_timestamp() + ${milliseconds('$2')}, attempt = m.attempt + 1
        where m.id = (
          select w.id
            from partywall.moves as w
           where w.finished_at is null
             and (w.due_at <= clock_timestamp() or w.state = 'fencing')
             and ($3::uuid is null or w.id = $3::uuid)
             and (w.owner is null or w.owned_until <= clock_timestamp() or not partywall.is_mover_alive(w.owner))
           order by (w.state in ('fencing', 'switched')) desc, w.due_at
           limit 1
             for update skip locked
        )
       returning ${columns}`,
      [owner, leaseMs, id],
    )
    return row && moveOf(row)
  }

  async extend(claim: MoveClaim, leaseMs: number): Promise<boolean> {
    const rows = await this.#writer.query(
      `update partywall.moves as m set owned_until = clock_timestamp() + ${milliseconds('$4')} where ${held} returning m.id`,
      [claim.id, claim.owner, claim.attempt, leaseMs],
    )
    return rows.length > 0
  }

  async release(claim: MoveClaim, dueMs: number): Promise<void> {
    await this.#writer.query(
      // What was asked for meanwhile is due at once.
      `update partywall.moves as m
          set owner = null, owned_until = null,
              due_at = case when m.wish is null or m.problem is not null then clock_timestamp() + ${milliseconds('$4')} else clock_timestamp() end
        where ${held}`,
      [claim.id, claim.owner, claim.attempt, dueMs],
    )
  }

  async advance(claim: MoveClaim, from: MoveState, to: MoveState, advance: MoveAdvance = {}): Promise<Move | undefined> {
    const { notes = {}, wish, problem, verifiedAt, pauseMs, dueMs = 0 } = advance
    const [row] = await this.#writer.query<MoveRow>(
      `update partywall.moves as m
          set state = $5,
              notes = m.notes || $6::jsonb,
              wish = case when $7 then null else m.wish end,
              problem = case when $8 then $9::jsonb else m.problem end,
              verified_at = case $10 when 'now' then clock_timestamp() when 'null' then null else m.verified_at end,
              pause_ms = coalesce($11, m.pause_ms),
              due_at = clock_timestamp() + ${milliseconds('$12')},
              finished_at = case when $5 in ('done', 'cancelled') then clock_timestamp() end,
              owner = case when $5 in ('done', 'cancelled') then null else m.owner end,
              updated_at = clock_timestamp()
        where ${held} and m.state = $4
       returning ${columns}`,
      [
        claim.id,
        claim.owner,
        claim.attempt,
        from,
        to,
        JSON.stringify(notes),
        wish === null,
        problem !== undefined,
        problem == null ? null : JSON.stringify(problem),
        verifiedAt === null ? 'null' : (verifiedAt ?? ''),
        pauseMs,
        dueMs,
      ],
    )
    return row && moveOf(row)
  }

  async claimFence(claim: MoveClaim, fenceMs: number): Promise<ClaimedFence | undefined> {
    return await told(undefined, async () => {
      const [row] = await this.#writer.query<{ fence: string; until: string }>(
        `update partywall.moves as m
            set state = 'fencing', fence = m.fence + 1, fence_until = clock_timestamp() + ${milliseconds('$4')}, updated_at = clock_timestamp()
          where ${held} and m.state = 'following'
         returning m.fence, m.fence_until::text as until`,
        [claim.id, claim.owner, claim.attempt, fenceMs],
      )
      return row && { fence: Number(row.fence), until: row.until }
    })
  }

  async giveUpFence(claim: MoveClaim, fence: number, problem: MoveProblem | null): Promise<Move | undefined> {
    const [row] = await this.#writer.query<MoveRow>(
      `update partywall.moves as m
          set state = 'following', fence_until = null, problem = $5::jsonb, updated_at = clock_timestamp()
        where ${held} and m.state = 'fencing' and m.fence = $4
       returning ${columns}`,
      [claim.id, claim.owner, claim.attempt, fence, problem === null ? null : JSON.stringify(problem)],
    )
    return row && moveOf(row)
  }

  async commitSwitch(
    claim: MoveClaim,
    fence: number,
    { to, resting }: { readonly to: Placement; readonly resting: GateState },
  ): Promise<Move | undefined> {
    return await this.#writer.transaction(async (connection) => {
      const [row] = await connection.query<MoveRow>(
        `update partywall.moves as m
            set state = 'switched',
                serving = case m.serving when 'source' then 'target' else 'source' end,
                generation = m.generation + 1,
                notes = m.notes || jsonb_build_object('fencedUntil', m.fence_until, 'resting', $5::text),
                fence_until = null, wish = null, problem = null, updated_at = clock_timestamp()
          where ${held} and m.state = 'fencing' and m.fence = $4 and m.fence_until > clock_timestamp()
         returning ${columns}`,
        [claim.id, claim.owner, claim.attempt, fence, resting],
      )
      if (row === undefined) return undefined
      await this.#arrive(connection, row.tenant_id as TenantId, to)
      return moveOf(row)
    })
  }
}

async function told<T>(tenantId: TenantId | undefined, fn: () => Promise<T>): Promise<T> {
  try {
    return await fn()
  } catch (error) {
    const { code, message } = error as { readonly code?: unknown; readonly message: string }
    if (code === '23505')
      throw new OperationInProgressError('A move of the tenant is open already: see partywall move status.', {
        cause: error,
        details: { kind: 'move', tenantId },
      })
    if (code === 'PW013' || code === 'PW014') {
      throw new OperationInProgressError(`Not now: ${message}. Try again when it is over.`, { cause: error, details: { tenantId } })
    }
    throw error
  }
}

const columns = `m.id, m.tenant_id, m.state, m.serving, m.generation, m.source, m.target, m.wish, m.options, m.notes, m.fence, m.verified_at,
  m.pause_ms, m.problem, m.actor_kind, m.actor_id, m.reason, m.attempt, m.created_at, m.updated_at, m.finished_at`

/** The claim still stands. */
const held = 'm.id = $1 and m.owner = $2 and m.attempt = $3 and m.finished_at is null'

function milliseconds(parameter: string): string {
  return `${parameter}::double precision * interval '1 millisecond'`
}

interface MoveRow {
  readonly id: string
  readonly tenant_id: string
  readonly state: MoveState
  readonly serving: Move['serving']
  readonly generation: number
  readonly source: Placement
  readonly target: Placement
  readonly wish: MoveVerb | null
  readonly options: MoveOptions
  readonly notes: Readonly<Record<string, Json>>
  readonly fence: string
  readonly verified_at: Date | null
  readonly pause_ms: number | null
  readonly problem: MoveProblem | null
  readonly actor_kind: Actor['kind']
  readonly actor_id: string
  readonly reason: string
  readonly attempt: number
  readonly created_at: Date
  readonly updated_at: Date
  readonly finished_at: Date | null
}

function moveOf(row: MoveRow): Move {
  return {
    id: row.id,
    tenantId: row.tenant_id as TenantId,
    state: row.state,
    serving: row.serving,
    generation: row.generation,
    source: row.source,
    target: row.target,
    wish: row.wish ?? undefined,
    options: row.options,
    notes: row.notes,
    fence: Number(row.fence),
    verifiedAt: row.verified_at ?? undefined,
    pauseMs: row.pause_ms ?? undefined,
    problem: row.problem ?? undefined,
    actor: { kind: row.actor_kind, id: row.actor_id },
    reason: row.reason,
    attempt: row.attempt,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    finishedAt: row.finished_at ?? undefined,
  }
}
