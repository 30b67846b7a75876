// What the server logs of statements. A capability is bound as a value, so that a log with values is a list of keys.

import { bySql } from '../check.ts'

export const valuesInLog = bySql(
  {
    stem: 'values-in-log',
    level: 'warning',
    title: 'The server’s log has the values of statements',
    gain: 'Whoever reads the log reads tenants’ data, and capabilities that live for minutes: they are bound as values.',
    scope: 'server',
  },
  `with s (name, setting) as (
     select p.name, p.setting from pg_catalog.pg_settings as p where $1::name is not null
   ), found (object, problem) as (
     select s.name, format('%s is %s and log_parameter_max_length is %s: the server logs the values of statements.', s.name, s.setting, l.setting)
       from s join s as l on l.name = 'log_parameter_max_length' and l.setting <> '0'
      where (s.name = 'log_statement' and s.setting <> 'none')
         or (s.name in ('log_min_duration_statement', 'log_min_duration_sample') and s.setting <> '-1')
         or (s.name = 'log_transaction_sample_rate' and s.setting::float8 > 0)
     union all
     select s.name, format('%s is %s: the server logs the values of statements that fail.', s.name, s.setting)
       from s where s.name = 'log_parameter_max_length_on_error' and s.setting <> '0'
     union all
     select s.name, format('auto_explain logs plans, and %s is %s: with the values of statements.', s.name, s.setting)
       from s join s as d on d.name = 'auto_explain.log_min_duration' and d.setting <> '-1'
      where s.name = 'auto_explain.log_parameter_max_length' and s.setting <> '0'
     union all
     select s.name, format('%s is on: values stand in what the server logs of each statement.', s.name)
       from s where s.name in ('debug_print_parse', 'debug_print_rewritten', 'debug_print_plan') and s.setting = 'on'
     union all
     select s.name, 'pgaudit.log_parameter is on: pgaudit logs the values of statements.'
       from s where s.name = 'pgaudit.log_parameter' and s.setting = 'on'
   )
   select f.object, f.problem, null as fix, 'administrator' as "fixAs" from found as f order by 1`,
)
