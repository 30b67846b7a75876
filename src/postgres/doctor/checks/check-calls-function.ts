// A check constraint that calls a function of the application's that is not IMMUTABLE: what it finds depends on who looks, and when.

import { bySql } from '../check.ts'
import { withFunctions } from '../functions.ts'

export const checkCallsFunction = bySql(
  {
    stem: 'check-calls-function',
    level: 'note',
    title: 'A check constraint of a protected table calls a function that may look at other rows',
    gain: 'Run by somebody who sees all tenants, a migration, a move or a restore, it accepts or refuses a tenant’s rows by the rows of others.',
    scope: 'database',
  },
  `${withFunctions}, called (constraint_oid, function) as (
     select d.objid, d.refobjid from pg_catalog.pg_depend as d where d.classid = 'pg_constraint'::regclass and d.refclassid = 'pg_proc'::regclass
     union
     select d.objid, o.oprcode::oid
       from pg_catalog.pg_depend as d
       join pg_catalog.pg_operator as o on o.oid = d.refobjid
      where d.classid = 'pg_constraint'::regclass and d.refclassid = 'pg_operator'::regclass
   )
   select format('%I on %s', k.conname, m.name) as object,
          format('%I on %s calls %s, which is %s%s.', k.conname, m.name, string_agg(distinct f.name, ', '),
            case when bool_or(f.volatility = 'v') then 'volatile' else 'stable' end,
            case when bool_or(f.is_definer) then format(' and runs with the rights of %s', string_agg(distinct quote_ident(pg_get_userbyid(f.owner)), ', ')) end) as problem,
          format('alter table %s drop constraint %I;', m.name, k.conname) as fix,
          case when bool_or(f.is_definer) then 'warning' else 'note' end as level
     from pg_catalog.pg_constraint as k
     join members as m on m.oid = k.conrelid and m.is_protected
     join called on called.constraint_oid = k.oid
     join functions as f on f.oid = called.function and f.volatility <> 'i'
    where k.contype = 'c'
    group by k.conname, m.name
    order by 1`,
)
