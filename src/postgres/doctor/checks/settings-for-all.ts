// Settings stored for a database, or for all roles: they reach the application’s sessions as its own would.

import { bySql } from '../check.ts'

export const settingsForAll = bySql(
  {
    stem: 'settings-for-all',
    level: 'warning',
    title: 'A dangerous setting is stored for all roles or for a database',
    gain: 'Keys and triggers that do not fire, or a context that is there before a tenant is bound, in every session of every login.',
    scope: 'server',
  },
  `select format('%s: %s', coalesce(quote_ident(d.datname), 'all roles'), split_part(setting, '=', 1)) as object,
          format('%s begins with %s.', case when d.datname is null then 'Every session' else format('Every session in %I', d.datname) end, setting) as problem,
          format('alter %s reset %s;', case when d.datname is null then 'role all' else format('database %I', d.datname) end,
            (select string_agg(quote_ident(word), '.' order by place)
               from regexp_split_to_table(split_part(setting, '=', 1), '[.]') with ordinality as parts (word, place))) as fix,
          'administrator' as "fixAs"
     from pg_catalog.pg_db_role_setting as s
     left join pg_catalog.pg_database as d on d.oid = s.setdatabase
    cross join lateral unnest(s.setconfig) as setting
    where s.setrole = 0 and $1::name is not null
      and (split_part(setting, '=', 1) in ('role', 'session_authorization', 'row_security', 'session_replication_role', 'session_preload_libraries', 'local_preload_libraries')
        or setting like 'partywall.%')
    order by 1`,
)
