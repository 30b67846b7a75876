// Functions that rows are computed and checked with where they arrive: the search_path is empty there.

import { inEachPlace, type MoveCheck, type Said } from '../check.ts'
import { withTables } from '../tables-of-place.ts'

export const functionsWithoutPath: MoveCheck = {
  rule: 'functions-without-path',
  level: 'warn',
  check: (survey) =>
    inEachPlace(survey, (place) =>
      place.query<Said>(
        `${withTables}, used as (
           select 'pg_catalog.pg_constraint'::regclass as class, k.oid as id, m.name from members as m join pg_catalog.pg_constraint as k on k.conrelid = m.oid and k.contype = 'c'
           union all
           select 'pg_catalog.pg_attrdef'::regclass, d.oid, m.name
             from members as m
             join pg_catalog.pg_attribute as a on a.attrelid = m.oid and a.attgenerated <> ''
             join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
           union all
           select 'pg_catalog.pg_class'::regclass, i.indexrelid, m.name from members as m join pg_catalog.pg_index as i on i.indrelid = m.oid
         )
         select distinct f.oid::regprocedure::text as object,
                format('Rows of %s are computed or checked with it, and where replication applies them the search_path is empty: names in it that have no schema are not found.', u.name) as problem,
                format('alter function %s set search_path = %I, pg_temp;', f.oid::regprocedure, n.nspname) as fix
           from used as u
           join pg_catalog.pg_depend as d on d.classid = u.class and d.objid = u.id and d.refclassid = 'pg_catalog.pg_proc'::regclass
           join pg_catalog.pg_proc as f on f.oid = d.refobjid and f.prosqlbody is null
           join pg_catalog.pg_language as l on l.oid = f.prolang and l.lanname not in ('c', 'internal')
           join pg_catalog.pg_namespace as n on n.oid = f.pronamespace and n.nspname not in ('pg_catalog', 'partywall')
          where not exists (select from unnest(f.proconfig) as setting where setting like 'search\\_path=%')
          order by 1`,
        [place.ownSchema ?? null],
      ),
    ),
}
