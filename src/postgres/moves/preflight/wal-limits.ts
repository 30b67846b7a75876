// How much log a slot may keep. Without a bound an abandoned move fills the disk; with too small a one the copy loses its slot.

import { type MoveCheck, onEachServer, type Said } from '../check.ts'
import { numberOf } from '../move-server.ts'
import { totalBytes } from '../tenant-size.ts'

const megabyte = 1024 * 1024
/** What is suggested, at least. */
const keepMbMin = 16 * 1024
/** A slot that nobody reads for so long is that of a move which stands still, and not one between two steps. */
const idleSecondsMin = 600

export const walLimits: MoveCheck = {
  rule: 'wal-limits',
  level: 'warn',
  check: async (survey) => {
    const bytes = survey.source.isMade ? totalBytes(await survey.source.sizes()) : 0
    const sizeMb = Math.ceil(bytes / megabyte)
    return await onEachServer(survey, ({ server }) => {
      const keepMb = numberOf(server, 'max_slot_wal_keep_size') ?? -1
      const idleSeconds = numberOf(server, 'idle_replication_slot_timeout') ?? 0
      const wanted = Math.max(keepMbMin, 4 * sizeMb)
      const said: Said[] = []
      const set = (name: string, value: string): string => `alter system set ${name} = '${value}';\nselect pg_catalog.pg_reload_conf();`
      if (keepMb === -1 && idleSeconds === 0)
        said.push({
          object: 'max_slot_wal_keep_size',
          problem: 'Nothing bounds the log that a slot keeps: a move that is left standing fills the disk of everybody on the server.',
          fix: set('max_slot_wal_keep_size', `${wanted}MB`),
        })
      if (keepMb >= 0 && keepMb <= sizeMb)
        said.push({
          object: 'max_slot_wal_keep_size',
          problem: `A slot may keep ${keepMb} MB of the log, and the tenant has about ${sizeMb} MB: the copy may lose its slot, and begin again.`,
          fix: set('max_slot_wal_keep_size', `${wanted}MB`),
        })
      if (idleSeconds > 0 && idleSeconds < idleSecondsMin)
        said.push({
          object: 'idle_replication_slot_timeout',
          problem: `A slot that is not read for ${idleSeconds} s is given up: a move that stands still for so long begins again.`,
          fix: set('idle_replication_slot_timeout', '1h'),
        })
      return said
    })
  },
}
