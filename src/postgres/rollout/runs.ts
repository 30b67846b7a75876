// Runs in the catalog: one migration of the fleet to one version.
//
//              ┌──── pause ────► paused ───┐
//   running ───┼── too many ───► halted ───┼── resume ──► running
//      │       │   failures                │
//      │       └──── abort ────► aborted ◄─┘
//      └────── nothing left ───► done ──── resume, when some failed or were skipped ──► running

import type { Actor } from '../../core/actor.ts'
import { RolloutInProgressError, RolloutNotFoundError } from '../../errors.ts'
import type { ControlConnection } from '../control-pool.ts'
import type { MigrationSet } from '../migrations/migration-set.ts'
import type { ErrorBudget, Ring } from './ring.ts'

export type RunState = 'running' | 'paused' | 'halted' | 'aborted' | 'done'

/** What the set had under a version when the run was planned. */
export interface RunFile {
  readonly version: string
  readonly file: string
  readonly sha256: string
}

/** A run, as the catalog has it. */
export interface MigrationRun {
  readonly id: string
  /** The version that it brings everybody to. */
  readonly version: string
  readonly files: readonly RunFile[]
  readonly rings: readonly Ring[]
  readonly budget: ErrorBudget
  readonly state: RunState
  /** Why it was paused, halted or aborted. */
  readonly reason: string | null
  readonly actor: Actor
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly finishedAt: Date | null
}

export type NewRun = Pick<MigrationRun, 'version' | 'files' | 'rings' | 'budget' | 'actor'>

const columns = `r.id, r.version, r.files, r.rings, r.budget, r.state, r.reason, json_build_object('kind', r.actor_kind, 'id', r.actor_id) as actor,
  r.created_at as "createdAt", r.updated_at as "updatedAt", r.finished_at as "finishedAt"`

/** The one that was planned last. */
export async function latestRun(catalog: ControlConnection): Promise<MigrationRun | undefined> {
  const [run] = await catalog.query<MigrationRun>(
    `select ${columns} from partywall.migration_runs as r order by r.created_at desc, r.id desc limit 1`,
  )
  return run
}

/** The one that is neither done nor aborted. */
export async function openRun(catalog: ControlConnection): Promise<MigrationRun | undefined> {
  const [run] = await catalog.query<MigrationRun>(
    `select ${columns} from partywall.migration_runs as r where r.state in ('running', 'paused', 'halted')`,
  )
  return run
}

/** @returns undefined when another one is open already. */
export async function insertRun(
  catalog: ControlConnection,
  { version, files, rings, budget, actor }: NewRun,
): Promise<MigrationRun | undefined> {
  const [run] = await catalog.query<MigrationRun>(
    `insert into partywall.migration_runs as r (version, files, rings, budget, actor_kind, actor_id)
     values ($1, $2::jsonb, $3::jsonb, $4::jsonb, $5, $6)
         on conflict ((true)) where state in ('running', 'paused', 'halted') do nothing
     returning ${columns}`,
    [version, JSON.stringify(files), JSON.stringify(rings), JSON.stringify(budget), actor.kind, actor.id],
  )
  return run
}

export interface RunChange {
  readonly from: readonly RunState[]
  readonly to: RunState
  readonly reason?: string | undefined
}

/** Moves a run to another state. @returns undefined when it is in none of those that it may come from. */
export async function moveRun(catalog: ControlConnection, id: string, { from, to, reason }: RunChange): Promise<MigrationRun | undefined> {
  const [run] = await catalog.query<MigrationRun>(
    `update partywall.migration_runs as r
        set state = $3, reason = left($4, 1000), updated_at = clock_timestamp(),
            finished_at = case when $3 in ('aborted', 'done') then clock_timestamp() end
      where r.id = $1 and r.state = any ($2)
     returning ${columns}`,
    [id, from, to, reason ?? null],
  )
  return run
}

/** The end of a run on which nothing is left. @returns false when something is. */
export async function finishRun(catalog: ControlConnection, id: string): Promise<boolean> {
  const rows = await catalog.query(
    `update partywall.migration_runs as r
        set state = 'done', reason = null, updated_at = clock_timestamp(), finished_at = clock_timestamp()
      where r.id = $1 and r.state = 'running'
        and not exists (select from partywall.migration_targets as m where m.run_id = r.id and m.state in ('pending', 'running'))
     returning r.id`,
    [id],
  )
  return rows.length > 0
}

/** What failed, or was skipped, is to be tried again. */
export async function reopenTargets(catalog: ControlConnection, id: string): Promise<void> {
  await catalog.query(
    `update partywall.migration_targets as m
        set state = 'pending', attempts = 0, waits_since = null, due_at = clock_timestamp(), updated_at = clock_timestamp()
      where m.run_id = $1 and (m.state in ('failed', 'skipped') or (m.state = 'pending' and m.due_at > clock_timestamp()))`,
    [id],
  )
}

/** @throws {RolloutNotFoundError} */
export function existing(run: MigrationRun | undefined): MigrationRun {
  if (run !== undefined) return run
  throw new RolloutNotFoundError('There is no migration of the fleet that this could be about. Start one with partywall migrate up.')
}

/** The files of a set, up to a version. */
export function filesUpTo(set: MigrationSet, to: string): readonly RunFile[] {
  return set.files.filter(({ version }) => version <= to).map(({ version, file, sha256 }) => ({ version, file, sha256 }))
}

export function isSameWork(run: MigrationRun, files: readonly RunFile[], version: string): boolean {
  const text = (all: readonly RunFile[]): string => all.map((file) => `${file.version} ${file.file} ${file.sha256}`).join('\n')
  return run.version === version && text(run.files) === text(files)
}

export function inProgress(run: MigrationRun): RolloutInProgressError {
  const { id, version, state, reason } = run
  return new RolloutInProgressError(
    `A migration of the fleet to ${version} is ${state}${reason === null ? '' : ` (${reason})`}. Go on with it (partywall migrate resume), or abort it first.`,
    { details: { id, version, state, reason } },
  )
}
