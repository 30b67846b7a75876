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
     select g.datname, l.rolname, taker.rolname as grantee
       from grants as g
       join reach on reach.role = g.grantee
       join pg_catalog.pg_roles as taker on taker.oid = g.grantee
       join logins as l on l.oid = reach.login
      where case when l.rolname = $1::name then g.datname in (select own.rolname from logins as own where own.rolname <> $1::name)
                 else g.datname <> l.rolname end
   )
   select format('%I for %I', datname, grantee) as object,
          format('%s may connect to %I.', case count(distinct rolname) when 1 then quote_ident(min(rolname::text)) else format('Logins (%s of them)', count(distinct rolname)) end, datname) as problem,
          format('revoke connect on database %I from %I;', datname, grantee) as fix,
          'administrator' as "fixAs", true as "isFixSafe", 'error' as level
     from named
    group by datname, grantee
   union all
   select format('%I for public', g.datname), format('Every login may connect to %I, those of tenants with databases of their own too.', g.datname),
          format('revoke connect on database %I from public;', g.datname), 'administrator', false, 'warning'
     from grants as g
    where g.grantee = 0 and exists (select from logins as l where l.rolname <> $1::name)
    order by 1`,
)
