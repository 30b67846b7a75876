// Slots that were left behind, by a move or by anybody else.

import { bySql } from '../check.ts'

export const idleReplicationSlot = bySql(
  {
    stem: 'idle-replication-slot',
    level: 'warning',
    title: 'A replication slot that nobody reads keeps the write-ahead log',
    gain: 'The disk fills up, and every tenant of the server stands still.',
    scope: 'server',
  },
  `select s.slot_name::text as object,
          format('Nobody reads the slot %s (%s), which keeps %s of the write-ahead log.', s.slot_name, s.wal_status,
            pg_size_pretty(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, s.restart_lsn))) as problem,
          format('select pg_drop_replication_slot(%L);', s.slot_name) as fix,
          'administrator' as "fixAs"
     from pg_catalog.pg_replication_slots as s
    where not s.active and not s.temporary and $1::name is not null
      and (s.wal_status in ('extended', 'unreserved', 'lost')
        or pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, s.restart_lsn) > 1073741824)
    order by 1`,
)
