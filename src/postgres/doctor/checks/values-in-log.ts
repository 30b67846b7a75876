// What the server logs of statements. A capability is bound as a value, so that a log with values is a list of keys.

import { bySql } from '../check.ts'
import { withReach } from '../reach.ts'

export const valuesInLog = bySql(
  {
    stem: 'values-in-log',
    level: 'warning',
    title: 'The server’s log has the values of statements',
    gain: 'Whoever reads the log reads tenants’ data, and capabilities that live for minutes: they are bound as values.',
    scope: 'server',
  },
  `${withReach}, s (name, setting) as (
     select p.name, p.setting from pg_catalog.pg_settings as p
   ), stored (whose, mends, name, setting) as (
     -- Of the logins of the application, and of everybody; those of one role say nothing about another.
     select case when l.oid is null then 'everybody' else quote_ident(l.rolname) end || coalesce(' in ' || quote_ident(d.datname), ''),
            case when l.oid is not null then format('role %I%s', l.rolname, coalesce(' in database ' || quote_ident(d.datname), ''))
                 when d.oid is not null then format('database %I', d.datname)
                 else 'role all' end,
            split_part(stored, '=', 1), split_part(stored, '=', 2)
       from pg_catalog.pg_db_role_setting as c
       left join logins as l on l.oid = c.setrole
       left join pg_catalog.pg_database as d on d.oid = c.setdatabase
      cross join lateral unnest(c.setconfig) as stored
      where l.oid is not null or c.setrole = 0
   ), found (object, problem, fix) as (
     select s.name, format('%s is %s and log_parameter_max_length is %s: the server logs the values of statements.', s.name, s.setting, l.setting),
            null::text
       from s join s as l on l.name = 'log_parameter_max_length' and l.setting <> '0'
      where (s.name = 'log_statement' and s.setting <> 'none')
         or (s.name in ('log_min_duration_statement', 'log_min_duration_sample') and s.setting <> '-1')
         or (s.name = 'log_transaction_sample_rate' and s.setting::float8 > 0)
     union all
     select s.name, format('%s is %s: the server logs the values of statements that fail.', s.name, s.setting), null
       from s where s.name = 'log_parameter_max_length_on_error' and s.setting <> '0'
     union all
     select s.name, format('auto_explain logs plans, and %s is %s: with the values of statements.', s.name, s.setting), null
       from s join s as d on d.name = 'auto_explain.log_min_duration' and d.setting <> '-1'
      where s.name = 'auto_explain.log_parameter_max_length' and s.setting <> '0'
     union all
     select s.name, format('%s is on: values stand in what the server logs of each statement.', s.name), null
       from s where s.name in ('debug_print_parse', 'debug_print_rewritten', 'debug_print_plan') and s.setting = 'on'
     union all
     select s.name, 'pgaudit.log_parameter is on: pgaudit logs the values of statements.', null
       from s where s.name = 'pgaudit.log_parameter' and s.setting = 'on'
     union all
     select format('%s: %s', x.whose, x.name), format('%s is %s for %s: values of statements are logged.', x.name, x.setting, x.whose),
            format('alter %s reset %s;', x.mends,
              (select string_agg(quote_ident(word), '.' order by place)
                 from regexp_split_to_table(x.name, '[.]') with ordinality as parts (word, place)))
       from stored as x
      where (x.name in ('log_parameter_max_length', 'log_parameter_max_length_on_error', 'auto_explain.log_parameter_max_length')
             and x.setting !~ '^ *0+ *[A-Za-z]*$')
         or (x.name in ('debug_print_parse', 'debug_print_rewritten', 'debug_print_plan', 'pgaudit.log_parameter')
             and lower(x.setting) not in ('off', 'false', 'no', '0', 'f', 'n'))
   )
   select f.object, f.problem, f.fix, 'administrator' as "fixAs" from found as f order by 1`,
)
