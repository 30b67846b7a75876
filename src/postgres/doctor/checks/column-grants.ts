// Grants on single columns show in no list of a table’s privileges. On a table that is not behind the wall they are a way in.

import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

export const columnGrants = bySql(
  {
    stem: 'column-grants',
    level: 'error',
    title: 'The application has columns of a table that is not behind the wall',
    gain: 'Column by column every tenant’s rows are there, though the table’s own privileges look closed; on a global list, one tenant writes for all.',
    scope: 'database',
  },
  `${withGrantees}
   select format('%I.%I for %s', n.nspname, c.relname, g.name) as object,
          format('%s has %s on columns of %I.%I, which is %s.', case g.oid when 0 then 'Every role' else g.name end,
            string_agg(distinct acl.privilege_type, ', '), n.nspname, c.relname,
            case when l.table_name is null then 'not behind the wall' else 'a global list' end) as problem,
          string_agg(format('revoke %s (%I) on %I.%I from %s;', lower(acl.privilege_type), a.attname, n.nspname, c.relname, g.name), ' ' order by a.attnum) as fix,
          'owner' as "fixAs"
     from pg_catalog.pg_attribute as a
     join pg_catalog.pg_class as c on c.oid = a.attrelid
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    cross join lateral aclexplode(a.attacl) as acl
     join grantees as g on g.oid = acl.grantee
     left join partywall.global_tables as l on l.table_name = format('%I.%I', n.nspname, c.relname)
    where a.attacl is not null and not a.attisdropped and c.relkind in ('r', 'p')
      and n.nspname not in ('pg_catalog', 'information_schema', 'partywall') and n.nspname !~ '^pg_'
      and not exists (select from partywall.protected_tables as p where p.table_name = format('%I.%I', n.nspname, c.relname))
      and (l.table_name is null or acl.privilege_type in ('INSERT', 'UPDATE'))
      and not exists (select from pg_catalog.pg_depend as e where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
    group by n.nspname, c.relname, g.oid, g.name, l.table_name
    order by 1`,
)
