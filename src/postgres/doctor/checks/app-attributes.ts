// A login that runs the application’s statements has an attribute that lifts walls.

import { bySql } from '../check.ts'
import { withReach } from '../reach.ts'

export const appAttributes = bySql(
  {
    stem: 'app-attributes',
    level: 'error',
    title: 'The application’s login has SUPERUSER, BYPASSRLS or another attribute of power',
    gain: 'No policy holds for a superuser or a role with BYPASSRLS; CREATEROLE makes itself a way in, and REPLICATION copies every file of the server.',
    scope: 'server',
  },
  `${withReach}
   select r.rolname::text as object,
          format('%I has %s.', r.rolname, concat_ws(', ', case when r.rolsuper then 'SUPERUSER' end, case when r.rolbypassrls then 'BYPASSRLS' end,
            case when r.rolcreaterole then 'CREATEROLE' end, case when r.rolreplication then 'REPLICATION' end,
            case when r.rolcreatedb then 'CREATEDB' end)) as problem,
          format('alter role %I%s;', r.rolname, concat(case when r.rolsuper then ' nosuperuser' end, case when r.rolbypassrls then ' nobypassrls' end,
            case when r.rolcreaterole then ' nocreaterole' end, case when r.rolreplication then ' noreplication' end,
            case when r.rolcreatedb then ' nocreatedb' end)) as fix,
          'administrator' as "fixAs", true as "isFixSafe",
          case when r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolreplication then 'error' else 'warning' end as level
     from logins as l
     join pg_catalog.pg_roles as r on r.oid = l.oid
    where r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolreplication or r.rolcreatedb
    order by 1`,
)
