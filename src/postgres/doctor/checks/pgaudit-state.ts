// pgaudit beside partywall's own audit log: what it records, and whether with values.

import { bySql } from '../check.ts'

export const pgauditState = bySql(
  {
    stem: 'pgaudit-state',
    level: 'note',
    title: 'The server’s log has what pgaudit records of all tenants',
    gain: 'Nothing: what pgaudit writes is in the server’s log, of all tenants in one file, beside each tenant’s own audit log.',
    scope: 'server',
  },
  `with s (name, setting) as (
     select p.name, p.setting from pg_catalog.pg_settings as p where $1::name is not null
   )
   select 'pgaudit' as object,
          format('pgaudit is loaded%s: pgaudit.log is %s, pgaudit.log_parameter is %s, pgaudit.role is %s.',
            case when l.setting ~ '\\mpgaudit\\M' then ' for every session' when l.setting is not null then ' for this session alone' end,
            s.setting, coalesce(v.setting, 'unknown'), coalesce(nullif(r.setting, ''), 'nobody')) as problem,
          null as fix,
          'administrator' as "fixAs"
     from s
     left join s as v on v.name = 'pgaudit.log_parameter'
     left join s as r on r.name = 'pgaudit.role'
     left join s as l on l.name = 'shared_preload_libraries'
    where s.name = 'pgaudit.log'`,
)
