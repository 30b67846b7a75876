// Settings with which a server that crashes forgets what it has confirmed.

import { bySql } from '../check.ts'

export const lostCommits = bySql(
  {
    stem: 'lost-commits',
    level: 'note',
    title: 'A crash takes back what the server has confirmed',
    gain: 'After a crash a tenant that was suspended is open again, a grant that was revoked holds, and entries of the audit log are gone.',
    scope: 'server',
  },
  `select s.name as object,
          case s.name
            when 'synchronous_commit' then 'synchronous_commit is off: the last transactions that were confirmed are gone after a crash.'
            else format('%s is off: after a crash of the machine the whole server may be unusable.', s.name) end as problem,
          null as fix,
          'administrator' as "fixAs",
          case s.name when 'synchronous_commit' then 'note' else 'warning' end as level
     from pg_catalog.pg_settings as s
    where s.name in ('fsync', 'full_page_writes', 'synchronous_commit') and s.setting = 'off' and $1::name is not null
    order by 1`,
)
