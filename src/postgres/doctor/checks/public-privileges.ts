// What every role of the database has on the application’s tables, views and schemas.

import { bySql } from '../check.ts'

export const publicPrivileges = bySql(
  {
    stem: 'public-privileges',
    level: 'warning',
    title: 'Everybody has privileges on the application’s tables or schemas',
    gain: 'Any login that gets into the database has them, and nobody’s grants show it.',
    scope: 'database',
  },
  `select format('%I.%I', n.nspname, c.relname) as object,
          format('Every role has %s on %I.%I.', string_agg(acl.privilege_type, ', ' order by acl.privilege_type), n.nspname, c.relname) as problem,
          format('revoke all on %I.%I from public;', n.nspname, c.relname) as fix,
          'owner' as "fixAs"
     from pg_catalog.pg_class as c
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    cross join lateral aclexplode(c.relacl) as acl
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and acl.grantee = 0 and $1::name is not null
      and n.nspname not in ('pg_catalog', 'information_schema', 'partywall') and n.nspname !~ '^pg_'
      and not exists (select from pg_catalog.pg_depend as e where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
    group by n.nspname, c.relname
   union all
   select format('schema %I', n.nspname), format('Every role may enter the schema %I.', n.nspname), format('revoke all on schema %I from public;', n.nspname), 'owner'
     from pg_catalog.pg_namespace as n
    cross join lateral aclexplode(n.nspacl) as acl
    where acl.grantee = 0 and acl.privilege_type = 'USAGE' and n.nspname not in ('pg_catalog', 'information_schema', 'public') and n.nspname !~ '^pg_'
      and not exists (select from pg_catalog.pg_depend as e where e.classid = 'pg_catalog.pg_namespace'::regclass and e.objid = n.oid and e.deptype = 'e')
    order by 1`,
)
