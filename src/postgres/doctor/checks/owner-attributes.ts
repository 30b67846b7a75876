// The roles that nobody logs in as: what they own or are granted is too much to stand behind a password, or to be above policies.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'

export const ownerAttributes = bySql(
  {
    stem: 'owner-attributes',
    level: 'error',
    title: 'A role that nobody should log in as can log in, or is above policies',
    gain: 'The owner can lift every policy. With a password it is one leaked connection string away; above policies, its functions and views show every row.',
    scope: 'server',
  },
  `select r.rolname::text as object,
          format('%I has %s.', r.rolname, concat_ws(', ', case when r.rolsuper then 'SUPERUSER' end, case when r.rolbypassrls then 'BYPASSRLS' end,
            case when r.rolcreaterole then 'CREATEROLE' end, case when r.rolreplication then 'REPLICATION' end,
            case when r.rolcanlogin then 'LOGIN' end)) as problem,
          format('alter role %I%s;', r.rolname, concat(case when r.rolsuper then ' nosuperuser' end, case when r.rolbypassrls then ' nobypassrls' end,
            case when r.rolcreaterole then ' nocreaterole' end, case when r.rolreplication then ' noreplication' end,
            case when r.rolcanlogin then ' nologin' end)) as fix,
          'administrator' as "fixAs", r.rolname <> $1::name as "isFixSafe",
          case when r.rolsuper or r.rolbypassrls then 'error' else 'warning' end as level
     from pg_catalog.pg_roles as r
    where r.rolname in ('${roles.owner}', '${roles.tenants}', '${roles.doctor}')
      and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolreplication or r.rolcanlogin)
    order by 1`,
)
