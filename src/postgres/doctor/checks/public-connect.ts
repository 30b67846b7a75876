// CONNECT of PUBLIC on a database with tenants’ rows.

import { bySql } from '../check.ts'

export const publicConnect = bySql(
  {
    stem: 'public-connect',
    level: 'warning',
    title: 'Every login of the server may connect to the database',
    gain: 'Whoever has any login on the server stands before the tables, and has there what PUBLIC has; tenants’ names show in the catalogs.',
    scope: 'database',
  },
  `select d.datname::text as object,
          format('Every login of the server may connect to %I.', d.datname) as problem,
          format('revoke connect on database %I from public;', d.datname) as fix,
          'administrator' as "fixAs"
     from pg_catalog.pg_database as d
    cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) as acl
    where d.datname = current_database() and acl.grantee = 0 and acl.privilege_type = 'CONNECT' and $1::name is not null`,
)
