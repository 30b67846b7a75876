// The gatekeeper and the migrator need no attribute of power: what they may do is granted to them.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'

export const controlLoginAttributes = bySql(
  {
    stem: 'control-login-attributes',
    level: 'warning',
    title: 'A login of the control plane has SUPERUSER, BYPASSRLS or another attribute of power',
    gain: 'Whoever gets at the password of a service that only hands out capabilities, or only migrates, has the whole server.',
    scope: 'server',
  },
  `select r.rolname::text as object,
          format('%I has %s.', r.rolname, concat_ws(', ', case when r.rolsuper then 'SUPERUSER' end, case when r.rolbypassrls then 'BYPASSRLS' end,
            case when r.rolcreaterole then 'CREATEROLE' end, case when r.rolreplication then 'REPLICATION' end)) as problem,
          format('alter role %I%s;', r.rolname, concat(case when r.rolsuper then ' nosuperuser' end, case when r.rolbypassrls then ' nobypassrls' end,
            case when r.rolcreaterole then ' nocreaterole' end, case when r.rolreplication then ' noreplication' end)) as fix,
          'administrator' as "fixAs", r.rolname <> $1::name as "isFixSafe"
     from pg_catalog.pg_roles as r
    where r.rolname in ('${roles.gatekeeper}', '${roles.migrator}')
      and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolreplication)
    order by 1`,
)
