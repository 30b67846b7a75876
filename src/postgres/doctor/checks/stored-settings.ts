// Settings that a login of the application begins every session with. It may store them itself, and they outlive every connection.

import { loginSearchPath } from '../../roles.ts'
import { bySql } from '../check.ts'
import { withReach } from '../reach.ts'

export const storedSettings = bySql(
  {
    stem: 'stored-settings',
    level: 'error',
    title: 'The application’s login has a dangerous setting stored',
    gain: 'One injected ALTER ROLE waits in every connection to come: other tables under the same names, triggers and keys that do not fire, a role that is already taken.',
    scope: 'server',
  },
  `${withReach}
   select format('%I%s: %s', l.rolname, case when d.datname is null then '' else format(' in %I', d.datname) end, split_part(setting, '=', 1)) as object,
          format('Every session of %I%s begins with %s.', l.rolname, case when d.datname is null then '' else format(' in %I', d.datname) end, setting) as problem,
          case when split_part(setting, '=', 1) = 'search_path' and d.datname is null
            then format('alter role %I set search_path = ${loginSearchPath};', l.rolname)
            else format('alter role %I%s reset %s;', l.rolname, case when d.datname is null then '' else format(' in database %I', d.datname) end,
              (select string_agg(quote_ident(word), '.' order by place)
                 from regexp_split_to_table(split_part(setting, '=', 1), '[.]') with ordinality as parts (word, place))) end as fix,
          'administrator' as "fixAs", true as "isFixSafe"
     from pg_catalog.pg_db_role_setting as s
     join logins as l on l.oid = s.setrole
     left join pg_catalog.pg_database as d on d.oid = s.setdatabase
    cross join lateral unnest(s.setconfig) as setting
    where split_part(setting, '=', 1) in ('role', 'session_authorization', 'row_security', 'session_replication_role', 'session_preload_libraries', 'local_preload_libraries')
       or setting like 'partywall.%'
       or (split_part(setting, '=', 1) = 'search_path' and setting <> 'search_path=${loginSearchPath}')
    order by 1`,
)
