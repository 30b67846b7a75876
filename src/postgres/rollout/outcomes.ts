// What became of a batch, written down in one statement: for the run, and as the version that the catalog has of each place. When
// the runner dies before it, the places are claimed again, and their ledgers tell that nothing is left to do.

import type { ControlConnection } from '../control-pool.ts'
import type { ClaimRequest } from './claims.ts'

/** What became of one place. `pending`: to be tried again. */
export interface TargetOutcome {
  readonly position: number
  readonly state: 'done' | 'failed' | 'skipped' | 'pending'
  /** The version that its ledger has; undefined when it could not be asked. */
  readonly version: string | null | undefined
  readonly error?: { readonly code: string; readonly message: string } | undefined
  /** It was tried, and is to be tried again after so long. Without it, it was not touched. */
  readonly delayMs?: number | undefined
}

/** The longest error that is kept. */
const messageLengthMax = 2_000

/** Tenants whose tables have moved on get a new epoch, so that every process learns of it. */
export async function settleBatch(
  writer: ControlConnection,
  { runId, runner }: Pick<ClaimRequest, 'runId' | 'runner'>,
  outcomes: readonly TargetOutcome[],
): Promise<void> {
  await writer.query(
    `with settled as (
       update partywall.migration_targets as m
          set state = o.state,
              version = coalesce(o.version, m.version),
              error = o.error::jsonb,
              attempts = m.attempts + case when o.state = 'pending' and o.delay_ms is null then 0 else 1 end,
              due_at = clock_timestamp() + coalesce(o.delay_ms, 0) * interval '1 millisecond',
              claimed_by = null, claimed_until = null, updated_at = clock_timestamp()
         from unnest($3::integer[], $4::text[], $5::text[], $6::text[], $7::float8[]) as o (position, state, version, error, delay_ms)
        where m.run_id = $1 and m.position = o.position and m.state = 'running' and m.claimed_by = $2
       returning m.kind, m.database_name, m.schema_name, m.tenant_id, o.version
     ), seen as (
       select s.* from settled as s where s.version is not null
     ), own_tables as (
       update partywall.tenants as t set version = s.version
         from seen as s
        where s.kind = 'schema' and t.schema_name = s.schema_name and t.schema_name <> 'app' and t.database_name = s.database_name
          and t.version is distinct from s.version
     ), stock as (
       update partywall.schemas as c set version = s.version
         from seen as s
        where s.kind = 'schema' and s.tenant_id is null and c.database_name = s.database_name and c.schema_name = s.schema_name
          and c.version is distinct from s.version
     ), bases as (
       update partywall.databases as d set version = s.version
         from seen as s
        where s.kind = 'database' and d.name = s.database_name and d.version is distinct from s.version
     )
     update partywall.tenants as t set updated_at = clock_timestamp()
       from seen as s
      where s.kind = 'database' and t.id = s.tenant_id`,
    [
      runId,
      runner,
      outcomes.map(({ position }) => position),
      outcomes.map(({ state }) => state),
      outcomes.map(({ version }) => version ?? null),
      outcomes.map(({ error }) =>
        error === undefined ? null : JSON.stringify({ ...error, message: error.message.slice(0, messageLengthMax) }),
      ),
      outcomes.map(({ delayMs }) => delayMs ?? null),
    ],
  )
}
