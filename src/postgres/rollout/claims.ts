// Who works on what. A runner takes places for itself, for as long as its lease is; two runners never have the same one, and what a
// dead one had is taken over. Between two batches the run is asked whether it is to go on at all.

import type { TenantId } from '../../core/tenant.ts'
import type { ControlConnection, ControlPool } from '../control-pool.ts'
import { movesLock } from '../moves/moves-lock.ts'
import type { ErrorBudget } from './ring.ts'
import type { RunState } from './runs.ts'

/** One place, claimed. */
export interface Target {
  readonly position: number
  readonly ring: number
  readonly kind: 'database' | 'schema'
  readonly database: string
  readonly schema: string
  readonly tenantId: TenantId | null
  /** How often it was tried before. */
  readonly attempts: number
}

/**
 * `wait`: others have what is left of this ring, or it is not due. `finished`: nothing is left. `stopped`: somebody said so.
 * `exhausted`: more have failed than may.
 */
export type Claim =
  | { readonly kind: 'batch'; readonly targets: readonly Target[]; readonly failuresLeft: number }
  | { readonly kind: 'wait' | 'finished' }
  | { readonly kind: 'stopped'; readonly state: RunState }
  | { readonly kind: 'exhausted'; readonly reason: string }

export interface ClaimRequest {
  readonly runId: string
  readonly runner: string
  readonly leaseMs: number
  /** Schemas of one database, at most. */
  readonly schemasMax: number
  /** How long an operation on a tenant, or a move from or to a place, is waited for. */
  readonly operationWaitMs: number
}

/** Databases at a time: each needs a connection, so that there is little to be saved, and the others want some too. */
const databasesMax = 4
const operationPollMs = 1_000

/** Takes a batch: schemas of one database, or a few databases. */
export async function claimBatch(writer: ControlPool, request: ClaimRequest): Promise<Claim> {
  return await writer.transaction(async (catalog) => {
    const progress = await readProgress(catalog, request.runId)
    if (progress === undefined) return { kind: 'stopped', state: 'aborted' }
    if (progress.state !== 'running') return { kind: 'stopped', state: progress.state }
    if (progress.ring === null) return { kind: 'finished' }
    const { failuresLeft } = progress
    if (failuresLeft === undefined) return { kind: 'exhausted', reason: progress.why }
    const locked = await lockTargets(catalog, request, progress.ring)
    const targets = await claimIdle(catalog, request, sameDatabase(locked))
    return targets.length > 0 ? { kind: 'batch', targets, failuresLeft } : { kind: 'wait' }
  })
}

interface RunProgress {
  readonly state: RunState
  /** The ring that is being migrated; null when all are. */
  readonly ring: number | null
  /** How many more may fail; undefined when too many have. */
  readonly failuresLeft: number | undefined
  readonly why: string
}

/** A pause waits for this lock, and so for nobody longer than a moment; when it has returned, no batch begins any more. */
async function readProgress(catalog: ControlConnection, runId: string): Promise<RunProgress | undefined> {
  const [run] = await catalog.query<{ state: RunState; budget: ErrorBudget }>(
    'select r.state, r.budget from partywall.migration_runs as r where r.id = $1 for share',
    [runId],
  )
  if (run === undefined) return undefined
  const [open] = await catalog.query<{ ring: number | null }>(
    `select min(m.ring) as ring from partywall.migration_targets as m where m.run_id = $1 and m.state in ('pending', 'running')`,
    [runId],
  )
  const ring = open?.ring ?? null
  const budget =
    'failuresMax' in run.budget
      ? await countedBudget(catalog, runId, run.budget.failuresMax)
      : await sharedBudget(catalog, { runId, ring, percentMax: run.budget.failuresPercentMax })
  return { state: run.state, ring, ...budget }
}

type Budget = Pick<RunProgress, 'failuresLeft' | 'why'>

async function countedBudget(catalog: ControlConnection, runId: string, max: number): Promise<Budget> {
  const [row] = await catalog.query<{ failed: number }>(
    `select count(*)::integer as failed from partywall.migration_targets as m where m.run_id = $1 and m.state = 'failed'`,
    [runId],
  )
  const failed = row?.failed ?? 0
  return { failuresLeft: failed > max ? undefined : max - failed, why: `${failed} failed, and ${max} may` }
}

interface BudgetOfRing {
  readonly runId: string
  readonly ring: number | null
  readonly percentMax: number
}

/** The rings before count as well: their last batch may have been the one too many. */
async function sharedBudget(catalog: ControlConnection, { runId, ring, percentMax }: BudgetOfRing): Promise<Budget> {
  const rows = await catalog.query<{ ring: number; failed: number; size: number }>(
    `select m.ring, count(*)::integer as size, count(*) filter (where m.state = 'failed')::integer as failed
       from partywall.migration_targets as m
      where m.run_id = $1
        and (m.ring = $2 or m.ring in (select f.ring from partywall.migration_targets as f where f.run_id = $1 and f.state = 'failed'))
      group by m.ring`,
    [runId, ring],
  )
  const mayFail = (size: number): number => Math.floor((size * percentMax) / 100)
  const over = rows.find(({ failed, size }) => failed > mayFail(size))
  const now = rows.find((row) => row.ring === ring)
  return {
    failuresLeft: over === undefined ? mayFail(now?.size ?? 0) - (now?.failed ?? 0) : undefined,
    why: over === undefined ? '' : `${over.failed} of the ${over.size} in the ring failed, and ${percentMax} % may`,
  }
}

async function lockTargets(
  catalog: ControlConnection,
  { runId, schemasMax }: ClaimRequest,
  ring: number,
): Promise<readonly LockedTarget[]> {
  return await catalog.query<LockedTarget>(
    `select m.position, m.ring, m.kind, m.database_name as database, m.schema_name as schema, m.tenant_id as "tenantId", m.attempts,
            coalesce(extract(epoch from now() - m.waits_since) * 1000, 0)::float8 as "waitedMs"
       from partywall.migration_targets as m
      where m.run_id = $1 and m.ring = $2
        and ((m.state = 'pending' and m.due_at <= now()) or (m.state = 'running' and m.claimed_until <= now()))
      order by m.position
      limit $3
        for update skip locked`,
    [runId, ring, schemasMax],
  )
}

interface LockedTarget extends Target {
  /** For an operation, or a move. */
  readonly waitedMs: number
}

/** The first ones that can be done together. The others are free again when the transaction ends. */
function sameDatabase(targets: readonly LockedTarget[]): readonly LockedTarget[] {
  const [first] = targets
  const other = targets.findIndex(({ kind, database }) => kind !== first?.kind || (kind === 'schema' && database !== first.database))
  const together = other < 0 ? targets : targets.slice(0, other)
  return first?.kind === 'database' ? together.slice(0, databasesMax) : together
}

interface TenantNow {
  readonly id: string
  readonly database: string
  readonly schema: string
}

interface OpenOperation {
  readonly tenantId: string
  readonly id: string
  readonly kind: string
  readonly state: 'running' | 'waiting' | 'failed'
}

/** What a place waits for. */
interface Busy {
  readonly operations: ReadonlyMap<string, OpenOperation>
  readonly moves: ReadonlyMap<string, OpenMove>
}

/**
 * A tenant in the middle of an operation is waited for, and so is a place from or to which somebody moves; a tenant that is gone, or
 * lives elsewhere now, is skipped.
 */
async function claimIdle(catalog: ControlConnection, request: ClaimRequest, locked: readonly LockedTarget[]): Promise<readonly Target[]> {
  const moves = await openMoves(catalog, locked)
  const ids = locked.flatMap(({ tenantId }) => (tenantId === null ? [] : [tenantId])).sort()
  // Operations lock the same rows before they begin: whoever is second sees the first.
  const tenants = await catalog.query<TenantNow>(
    'select t.id, t.database_name as database, t.schema_name as schema from partywall.tenants as t where t.id = any ($1) order by t.id for key share',
    [ids],
  )
  const operations = await catalog.query<OpenOperation>(
    `select o.tenant_id as "tenantId", o.id, o.kind, o.state
       from partywall.operations as o
      where o.tenant_id = any ($1) and o.state in ('running', 'waiting', 'failed')
        and o.kind not in ('rename', 'change-plan', 'suspend', 'resume')`,
    [ids],
  )
  const living = new Map(tenants.map((tenant) => [tenant.id, tenant]))
  const busy = { operations: new Map(operations.map((operation) => [operation.tenantId, operation])), moves }
  const judged = locked.map((target) => ({ target, verdict: judge(target, living, busy, request.operationWaitMs) }))
  await writeVerdicts(catalog, request, judged)
  return judged.flatMap(({ target, verdict }) => (verdict.state === 'running' ? [target] : []))
}

interface Verdict {
  readonly state: 'running' | 'pending' | 'skipped'
  readonly why?: { readonly code: string; readonly message: string }
}

function judge(
  target: LockedTarget,
  living: ReadonlyMap<string, TenantNow>,
  { operations, moves }: Busy,
  operationWaitMs: number,
): Verdict {
  const elsewhere = target.tenantId === null ? undefined : judgeTenant(target.tenantId, target, living)
  if (elsewhere !== undefined) return elsewhere
  const mayWait = target.waitedMs < operationWaitMs
  const move = moves.get(placeKey(target))
  if (move !== undefined) {
    const message = `The move ${move.id} from or to this place is ${move.state}: its tables keep their shape until it is complete or cancelled.`
    return { state: mayWait ? 'pending' : 'skipped', why: { code: 'moving', message } }
  }
  const operation = target.tenantId === null ? undefined : operations.get(target.tenantId)
  if (operation === undefined) return { state: 'running' }
  const { id, kind, state } = operation
  const why = { code: 'operation', message: `The operation ${kind} (${id}) of the tenant is ${state}.` }
  // One that waits for days, or for a person, is not waited for.
  return { state: state === 'running' && mayWait ? 'pending' : 'skipped', why }
}

function judgeTenant(id: string, target: LockedTarget, living: ReadonlyMap<string, TenantNow>): Verdict | undefined {
  const tenant = living.get(id)
  if (tenant === undefined) return { state: 'skipped', why: { code: 'gone', message: 'The tenant is gone.' } }
  if (tenant.database !== target.database || (target.kind === 'schema' && tenant.schema !== target.schema)) {
    return { state: 'skipped', why: { code: 'moved', message: 'The tenant lives elsewhere now.' } }
  }
  return undefined
}

interface OpenMove {
  readonly id: string
  readonly state: string
}

/** A move that begins waits for the end of this transaction, and then sees what it has claimed (partywall.check_move). */
async function openMoves(catalog: ControlConnection, locked: readonly LockedTarget[]): Promise<ReadonlyMap<string, OpenMove>> {
  await catalog.query(`select pg_advisory_xact_lock_shared(${movesLock})`)
  const rows = await catalog.query<OpenMove & { readonly database: string; readonly schema: string }>(
    `select m.id, m.state, p.database_name as database, p.schema_name as schema
       from partywall.moving_places as p
       join partywall.moves as m on m.id = p.move_id
      where p.database_name = any ($1)
      order by m.id`,
    [[...new Set(locked.map(({ database }) => database))]],
  )
  return new Map(rows.map(({ id, state, ...place }) => [placeKey(place), { id, state }]))
}

function placeKey({ database, schema }: { readonly database: string; readonly schema: string }): string {
  return `${database} ${schema}`
}

async function writeVerdicts(
  catalog: ControlConnection,
  { runId, runner, leaseMs }: ClaimRequest,
  judged: readonly { readonly target: LockedTarget; readonly verdict: Verdict }[],
): Promise<void> {
  await catalog.query(
    `update partywall.migration_targets as m
        set state = v.state,
            error = v.why::jsonb,
            claimed_by = case when v.state = 'running' then $2 end,
            claimed_until = case when v.state = 'running' then clock_timestamp() + $3::float8 * interval '1 millisecond' end,
            due_at = case when v.state = 'pending' then clock_timestamp() + interval '${operationPollMs} milliseconds' else m.due_at end,
            waits_since = case when v.state = 'pending' then coalesce(m.waits_since, now()) end,
            updated_at = clock_timestamp()
       from unnest($4::integer[], $5::text[], $6::text[]) as v (position, state, why)
      where m.run_id = $1 and m.position = v.position`,
    [
      runId,
      runner,
      leaseMs,
      judged.map(({ target }) => target.position),
      judged.map(({ verdict }) => verdict.state),
      judged.map(({ verdict }) => (verdict.why === undefined ? null : JSON.stringify(verdict.why))),
    ],
  )
}

/** The runner is alive: what it has stays its own. */
export async function extendClaims(writer: ControlConnection, { runId, runner, leaseMs }: ClaimRequest): Promise<void> {
  await writer.query(
    `update partywall.migration_targets as m
        set claimed_until = clock_timestamp() + $3::float8 * interval '1 millisecond'
      where m.run_id = $1 and m.claimed_by = $2 and m.state = 'running'`,
    [runId, runner, leaseMs],
  )
}
