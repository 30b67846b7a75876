// The login of a tenant with a database of its own may connect to that database alone; the shared application’s to no such one.

import { bySql } from '../check.ts'
import { withReach } from '../reach.ts'

export const tenantLoginElsewhere = bySql(
  {
    stem: 'tenant-login-elsewhere',
    level: 'error',
    title: 'A tenant’s own login may connect to another database',
    gain: 'A login that was made for one database finds others: another tenant’s, or one where PUBLIC may do what it may not at home.',
    scope: 'server',
  },
  `${withReach}, grants as (
     select d.datname, acl.grantee
       from pg_catalog.pg_database as d
      cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) as acl
      where d.datallowconn and acl.privilege_type = 'CONNECT'
   ), named as (
     select g.datname, l.rolname
       from grants as g
       join reach on reach.role = g.grantee
       join logins as l on l.oid = reach.login
      where case when l.rolname = $1::name then g.datname in (select own.rolname from logins as own where own.rolname <> $1::name)
                 else g.datname <> l.rolname end
   )
   select datname::text as object,
          format('%s may connect to %I.', string_agg(distinct quote_ident(rolname), ', '), datname) as problem,
          format('revoke connect on database %I from %s;', datname, string_agg(distinct quote_ident(rolname), ', ')) as fix,
          'administrator' as "fixAs", true as "isFixSafe", 'error' as level
     from named
    group by datname
   union all
   select g.datname::text, format('Every login may connect to %I, those of tenants with databases of their own too.', g.datname),
          format('revoke connect on database %I from public;', g.datname), 'administrator', false, 'warning'
     from grants as g
    where g.grantee = 0 and exists (select from logins as l where l.rolname <> $1::name)
    order by 1`,
)
