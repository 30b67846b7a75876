// Slots and processes of replication that are free on both sides: a copy that finds none waits for ever, without an error.

import { type MoveCheck, onEachServer, type Said } from '../check.ts'
import { type MoveServer, numberOf } from '../move-server.ts'

/** Tables that should be copied at the same time: PostgreSQL's own default. */
const workers = 2

interface Need {
  readonly setting: string
  readonly what: string
  readonly used: number
  readonly needed: number
}

export const slots: MoveCheck = {
  rule: 'slots',
  level: 'refuse',
  check: (survey) => {
    return onEachServer(survey, ({ side, server }, isBoth) => {
      const sends = isBoth || side === 'source'
      const copies = isBoth || side === 'target'
      return [
        ...needs(server, { sends, copies, isBoth, workers }).flatMap((need) => lacks(server, need)),
        ...(copies ? syncWorkers(server, workers) : []),
      ]
    })
  },
}

/** The source sends, with a slot more for each table that is being copied; the target sends back after the switch. */
function needs(
  { used, version }: MoveServer,
  {
    sends,
    copies,
    isBoth,
    workers,
  }: { readonly sends: boolean; readonly copies: boolean; readonly isBoth: boolean; readonly workers: number },
): readonly Need[] {
  const streams = isBoth ? 2 : 1
  const sending = streams + (sends ? workers : 0)
  const applying = streams + (copies ? workers : 0)
  const origins = version >= 180_000 ? 'max_active_replication_origins' : 'max_replication_slots'
  return [
    { setting: 'max_replication_slots', what: 'replication slots', used: used.slots, needed: sending },
    { setting: 'max_wal_senders', what: 'WAL senders', used: used.walSenders, needed: sending },
    { setting: 'max_logical_replication_workers', what: 'workers of logical replication', used: used.logicalWorkers, needed: applying },
    { setting: 'max_worker_processes', what: 'worker processes', used: used.workers, needed: applying },
    { setting: origins, what: 'replication origins', used: used.origins, needed: applying },
  ]
}

function lacks(server: MoveServer, { setting, what, used, needed }: Need): readonly Said[] {
  const max = numberOf(server, setting)
  if (max === undefined || max - used >= needed) return []
  return [
    {
      object: setting,
      problem: `Of ${max} ${what}, ${used} are in use, and the move needs ${needed}: it would wait for ever. The change takes a restart of the server.`,
      fix: `alter system set ${setting} = ${used + needed};`,
    },
  ]
}

function syncWorkers(server: MoveServer, workers: number): readonly Said[] {
  const setting = 'max_sync_workers_per_subscription'
  const max = numberOf(server, setting)
  if (max === undefined || max >= workers) return []
  return [
    {
      level: max === 0 ? 'refuse' : 'warn',
      object: setting,
      problem: `It is ${max}, and the move asks for ${workers} tables at a time: ${max === 0 ? 'nothing would be copied' : 'the copy takes longer'}.`,
      fix: `alter system set ${setting} = ${workers};\nselect pg_catalog.pg_reload_conf();`,
    },
  ]
}
