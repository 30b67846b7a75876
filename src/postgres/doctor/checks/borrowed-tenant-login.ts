// Roles that can act as the login of a tenant with a database of its own.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'

export const borrowedTenantLogin = bySql(
  {
    stem: 'borrowed-tenant-login',
    level: 'error',
    title: 'Another role can act as a tenant’s own login',
    gain: 'The login is what stands for the tenant there: whoever can become it is that tenant, and one who can become two is both.',
    scope: 'server',
  },
  `select format('%I for %I', own.rolname, m.rolname) as object,
          format('%I can act as %I, the login of one tenant.', m.rolname, own.rolname) as problem,
          string_agg(format('revoke %I from %I granted by %I;', own.rolname, m.rolname, by.rolname), ' ' order by by.rolname) as fix,
          'administrator' as "fixAs", m.rolname <> $1::name as "isFixSafe"
     from pg_catalog.pg_roles as own
     join pg_catalog.pg_auth_members as am on am.roleid = own.oid
     join pg_catalog.pg_roles as m on m.oid = am.member
     join pg_catalog.pg_roles as by on by.oid = am.grantor
    -- Whoever made the login administers it, since PostgreSQL 16, and could anyway.
    where own.rolcanlogin and not m.rolsuper and not m.rolcreaterole
      and exists (
        select from pg_catalog.pg_auth_members as is_tenant join pg_catalog.pg_roles as g on g.oid = is_tenant.roleid
         where is_tenant.member = own.oid and g.rolname = '${roles.tenants}')
    group by own.rolname, m.rolname
    order by 1`,
)
