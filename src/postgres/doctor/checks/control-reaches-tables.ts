// The gatekeeper issues capabilities and the doctor looks; neither has anything to do with the tables themselves.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'

export const controlReachesTables = bySql(
  {
    stem: 'control-reaches-tables',
    level: 'warning',
    title: 'The gatekeeper or the doctor has privileges on the application’s tables',
    gain: 'The login that can issue a capability for any tenant could also use it: one leaked password is every tenant’s data.',
    scope: 'database',
  },
  `select format('%I.%I for %I', n.nspname, c.relname, r.rolname) as object,
          format('%I has %s on %I.%I.', r.rolname, string_agg(distinct acl.privilege_type, ', '), n.nspname, c.relname) as problem,
          format('revoke all on %I.%I from %I;', n.nspname, c.relname, r.rolname) as fix,
          'owner' as "fixAs", r.rolname <> $1::name as "isFixSafe"
     from pg_catalog.pg_class as c
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    cross join lateral (
      select entry.grantee, entry.privilege_type from aclexplode(c.relacl) as entry
      union
      select entry.grantee, entry.privilege_type from pg_catalog.pg_attribute as a cross join lateral aclexplode(a.attacl) as entry
       where a.attrelid = c.oid and a.attacl is not null) as acl
     join pg_catalog.pg_roles as r on r.oid = acl.grantee and r.rolname in ('${roles.gatekeeper}', '${roles.doctor}')
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema', 'partywall') and n.nspname !~ '^pg_'
    group by n.nspname, c.relname, r.rolname
    order by 1`,
)
