// What a server can spare for a move, as it says itself.

import type { ControlConnection } from '../control-pool.ts'

export interface MoveServer {
  /** The one number that a server shares with its replicas, and with no other server. */
  readonly identifier: string
  /** As PostgreSQL numbers it: 180004 is 18.4. */
  readonly version: number
  readonly isReplica: boolean
  /** Parameters, in their own units; those that the server does not know are missing. */
  readonly settings: Readonly<Record<string, string>>
  /** How many are in use. */
  readonly used: {
    readonly slots: number
    readonly walSenders: number
    readonly logicalWorkers: number
    readonly workers: number
    readonly origins: number
  }
}

const settings = [
  'wal_level',
  'max_replication_slots',
  'max_active_replication_origins',
  'max_wal_senders',
  'max_logical_replication_workers',
  'max_sync_workers_per_subscription',
  'max_worker_processes',
  'max_slot_wal_keep_size',
  'idle_replication_slot_timeout',
  'output_plugin_libraries',
  'data_directory',
]

/** Of which there are slots of their own; everything else is a worker process. */
const otherProcesses = [
  'client backend',
  'walsender',
  'autovacuum launcher',
  'autovacuum worker',
  'checkpointer',
  'background writer',
  'walwriter',
  'startup',
  'archiver',
  'walreceiver',
  'walsummarizer',
  'slotsync worker',
  'io worker',
]

/** Over the administrator's login. */
export async function readMoveServer(admin: ControlConnection): Promise<MoveServer> {
  const [row] = await admin.query<MoveServer>(
    `select (select c.system_identifier::text from pg_catalog.pg_control_system() as c) as identifier,
            current_setting('server_version_num')::int as version, pg_catalog.pg_is_in_recovery() as "isReplica",
            (select jsonb_object_agg(s.name, s.setting) from pg_catalog.pg_settings as s where s.name = any ($1)) as settings,
            jsonb_build_object(
              'slots', (select count(*) from pg_catalog.pg_replication_slots),
              'walSenders', count(*) filter (where a.backend_type = 'walsender'),
              'logicalWorkers', count(*) filter (where a.backend_type ~ '^logical replication .*worker$'),
              'workers', count(*) filter (where a.backend_type <> all ($2)),
              'origins', (select count(*) from pg_catalog.pg_replication_origin)
            ) as used
       from pg_catalog.pg_stat_activity as a`,
    [settings, otherProcesses],
  )
  return row!
}

/** A parameter that is a number; undefined where the server does not know it. */
export function numberOf({ settings }: MoveServer, name: string): number | undefined {
  const value = settings[name]
  return value === undefined ? undefined : Number(value)
}
