// The journal of operations in PostgreSQL. Leases and waits are by the database's clock; reads go over the gatekeeper's login,
// writes over the migrator's.

import { setTimeout as wait } from 'node:timers/promises'
import type { Actor } from '../core/actor.ts'
import type { TenantId } from '../core/tenant.ts'
import { OperationInProgressError } from '../errors.ts'
import type {
  Claim,
  NewOperation,
  Operation,
  OperationId,
  OperationJournal,
  OperationListOptions,
  OperationProblem,
  OperationState,
  Settlement,
  StepRecords,
} from '../operations/journal.ts'
import { inProgress } from '../operations/memory-journal.ts'
import { checkedOperationLimit } from '../operations/operation-input.ts'
import type { ControlConnection } from './control-pool.ts'

export interface PostgresOperationJournalOptions {
  /** The gatekeeper's login. */
  readonly reader: ControlConnection
  /** The migrator's login. */
  readonly writer: ControlConnection
}

/** @see OperationJournal */
export class PostgresOperationJournal implements OperationJournal {
  readonly #reader: ControlConnection
  readonly #writer: ControlConnection

  constructor(options: PostgresOperationJournalOptions) {
    this.#reader = options.reader
    this.#writer = options.writer
  }

  async begin(operation: NewOperation, leaseMs: number, supersedes: readonly string[] = []): Promise<Operation> {
    for (let waitedMs = 0; ; waitedMs += migrationPollMs) {
      try {
        return await this.#begin(operation, leaseMs, supersedes)
      } catch (error) {
        const { code, message } = error as { readonly code?: unknown; readonly message: string }
        if (code === 'PW014') throw beingMoved(operation.tenantId, error)
        if (code !== 'PW013') throw error
        if (waitedMs >= migrationWaitMs) throw stillBusy(operation.tenantId, message, error)
      }
      await wait(migrationPollMs)
    }
  }

  async #begin(operation: NewOperation, leaseMs: number, supersedes: readonly string[]): Promise<Operation> {
    const { id, tenantId, kind, input, steps, actor, reason, owner } = operation
    try {
      // The count makes what gives way go before the insert.
      const [row] = await this.#writer.query<OperationRow>(
        `with superseded as (
           update partywall.operations as o
              set state = 'cancelled', finished_at = clock_timestamp(), updated_at = clock_timestamp()
            where o.tenant_id = $2 and o.state = 'failed' and o.kind = any ($10::text[])
           returning 1
         )
         insert into partywall.operations as o (id, tenant_id, kind, input, steps, actor_kind, actor_id, reason, owner, owned_until)
         select $1::uuid, $2::uuid, $3, $4::jsonb, $5::jsonb, $6, $7, $8, $9, clock_timestamp() + ${milliseconds('$11')}
           from (select count(*) from superseded) as gone
         returning ${columns}`,
        [id, tenantId, kind, JSON.stringify(input), JSON.stringify(steps), actor.kind, actor.id, reason, owner, supersedes, leaseMs],
      )
      return operationOf(row as OperationRow)
    } catch (error) {
      if ((error as { code?: unknown }).code !== '23505') throw error
      throw inProgress(await this.findOpen(tenantId))
    }
  }

  async claim(id: OperationId, owner: string, leaseMs: number, options: { readonly failed?: boolean | undefined } = {}) {
    const [row] = await this.#writer.query<OperationRow>(
      `update partywall.operations as o
          set ${claimed}
        where o.id = $3 and (${free} or ($4 and o.state = 'failed'))
       returning ${columns}`,
      [owner, leaseMs, id, options.failed ?? false],
    )
    return row && operationOf(row)
  }

  async claimDue(owner: string, leaseMs: number): Promise<Operation | undefined> {
    const [row] = await this.#writer.query<OperationRow>(
      `update partywall.operations as o
          set ${claimed}
        where o.id = (
          select o.id from partywall.operations as o where ${free} order by o.id limit 1 for update skip locked
        )
       returning ${columns}`,
      [owner, leaseMs],
    )
    return row && operationOf(row)
  }

  async extend(claim: Claim, leaseMs: number): Promise<boolean> {
    const rows = await this.#writer.query(
      `update partywall.operations as o
          set owned_until = clock_timestamp() + ${milliseconds('$4')}
        where ${held}
       returning o.id`,
      [claim.id, claim.owner, claim.attempt, leaseMs],
    )
    return rows.length > 0
  }

  async record(claim: Claim, done: StepRecords, next: StepRecords, options: { readonly isUndo?: boolean | undefined } = {}) {
    const [row] = await this.#writer.query<{ cancelling: boolean }>(
      `update partywall.operations as o
          set steps = o.steps || $4::jsonb || case when o.cancelling and not $6 then '{}'::jsonb else $5::jsonb end,
              updated_at = clock_timestamp()
        where ${held}
       returning o.cancelling`,
      [claim.id, claim.owner, claim.attempt, JSON.stringify(done), JSON.stringify(next), options.isUndo ?? false],
    )
    return row
  }

  async settle(claim: Claim, settlement: Settlement): Promise<Operation | undefined> {
    const { state, steps = {}, wakeMs, error } = settlement
    const [row] = await this.#writer.query<OperationRow>(
      `update partywall.operations as o
          set state = $4,
              steps = o.steps || $5::jsonb,
              error = $6::jsonb,
              wake_at = coalesce(clock_timestamp() + ${milliseconds('$7')}, o.wake_at),
              finished_at = case when $4 in ('done', 'cancelled') then clock_timestamp() end,
              updated_at = clock_timestamp()
        where ${held}
       returning ${columns}`,
      [claim.id, claim.owner, claim.attempt, state, JSON.stringify(steps), error === undefined ? null : JSON.stringify(error), wakeMs],
    )
    return row && operationOf(row)
  }

  async release(claim: Claim): Promise<void> {
    await this.#writer.query(`update partywall.operations as o set owned_until = clock_timestamp() where ${held}`, [
      claim.id,
      claim.owner,
      claim.attempt,
    ])
  }

  async cancel(id: OperationId, finalSteps: readonly string[]): Promise<Operation | undefined> {
    const [row] = await this.#writer.query<OperationRow>(
      `update partywall.operations as o
          set cancelling = true, updated_at = clock_timestamp()
        where o.id = $1 and o.state in ('running', 'waiting', 'failed') and not o.steps ?| $2::text[]
       returning ${columns}`,
      [id, finalSteps],
    )
    return row && operationOf(row)
  }

  async find(id: OperationId): Promise<Operation | undefined> {
    const [row] = await this.#reader.query<OperationRow>(`select ${columns} from partywall.operations as o where o.id = $1`, [id])
    return row && operationOf(row)
  }

  async findOpen(tenantId: TenantId): Promise<Operation | undefined> {
    const [row] = await this.#reader.query<OperationRow>(
      `select ${columns} from partywall.operations as o where o.tenant_id = $1 and o.state in ('running', 'waiting', 'failed')`,
      [tenantId],
    )
    return row && operationOf(row)
  }

  async list(options: OperationListOptions = {}): Promise<readonly Operation[]> {
    const { before, tenantId, kind, state } = options
    const rows = await this.#reader.query<OperationRow>(
      `select ${columns}
         from partywall.operations as o
        where ($1::uuid is null or o.id < $1::uuid)
          and ($2::uuid is null or o.tenant_id = $2::uuid)
          and ($3::text is null or o.kind = $3::text)
          and ($4::text is null or o.state = $4::text)
        order by o.id desc
        limit $5`,
      [before, tenantId, kind, state, checkedOperationLimit(options.limit)],
    )
    return rows.map(operationOf)
  }

  async redact(tenantId: TenantId, except: OperationId): Promise<number> {
    const rows = await this.#writer.query(
      `update partywall.operations as o
          set input = '{}', steps = '{}', reason = '', error = null, updated_at = clock_timestamp()
        where o.tenant_id = $1 and o.id <> $2
          and (o.input <> '{}' or o.steps <> '{}' or o.reason <> '' or o.error is not null)
       returning o.id`,
      [tenantId, except],
    )
    return rows.length
  }
}

/** How long the begin of an operation waits for a migration of the tenant's tables, and how often it asks. */
const migrationWaitMs = 30_000
const migrationPollMs = 250

function stillBusy(tenantId: TenantId, why: string, cause: unknown): OperationInProgressError {
  return new OperationInProgressError(
    `${why}, for longer than an operation waits. Nothing was begun: try again when partywall migrate status has the tenant ${tenantId} as done, and no move of it is being switched.`,
    { cause, details: { kind: 'migrate', tenantId } },
  )
}

function beingMoved(tenantId: TenantId, cause: unknown): OperationInProgressError {
  return new OperationInProgressError(
    `The tenant ${tenantId} is being moved. Nothing was begun: complete the move, or cancel it, first (partywall move status).`,
    { cause, details: { kind: 'move', tenantId } },
  )
}

const columns = `o.id, o.tenant_id, o.kind, o.state, o.cancelling, o.input, o.steps, o.actor_kind, o.actor_id, o.reason, o.owner, o.attempt,
  o.error, o.wake_at, o.created_at, o.updated_at, o.finished_at`

/** Nobody works on it. */
const free = `((o.state = 'running' and o.owned_until <= clock_timestamp())
  or (o.state = 'waiting' and (o.cancelling or o.wake_at <= clock_timestamp())))`

const claimed = `state = 'running', owner = $1, owned_until = clock_timestamp() + ${milliseconds('$2')}, attempt = o.attempt + 1, error = null,
  updated_at = clock_timestamp()`

/** The claim still stands. */
const held = `o.id = $1 and o.owner = $2 and o.attempt = $3 and o.state = 'running'`

function milliseconds(parameter: string): string {
  return `${parameter}::double precision * interval '1 millisecond'`
}

interface OperationRow {
  readonly id: string
  readonly tenant_id: string
  readonly kind: string
  readonly state: string
  readonly cancelling: boolean
  readonly input: Operation['input']
  readonly steps: StepRecords
  readonly actor_kind: Actor['kind']
  readonly actor_id: string
  readonly reason: string
  readonly owner: string
  readonly attempt: number
  readonly error: OperationProblem | null
  readonly wake_at: Date | null
  readonly created_at: Date
  readonly updated_at: Date
  readonly finished_at: Date | null
}

function operationOf(row: OperationRow): Operation {
  return {
    id: row.id as OperationId,
    tenantId: row.tenant_id as TenantId,
    kind: row.kind,
    state: row.state as OperationState,
    cancelling: row.cancelling,
    input: row.input,
    steps: row.steps,
    actor: { kind: row.actor_kind, id: row.actor_id },
    reason: row.reason,
    owner: row.owner,
    attempt: row.attempt,
    error: row.error ?? undefined,
    wakeAt: row.wake_at ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    finishedAt: row.finished_at ?? undefined,
  }
}
