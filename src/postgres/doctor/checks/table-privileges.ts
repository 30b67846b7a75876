// Privileges on tables that no policy holds for: TRUNCATE, TRIGGER, REFERENCES, MAINTAIN.

import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

export const tablePrivileges = bySql(
  {
    stem: 'table-privileges',
    level: 'error',
    title: 'The application has a privilege on a table that no policy limits',
    gain: 'TRUNCATE empties every tenant’s rows at once, a trigger runs in everybody’s writes, and a foreign key asks whether another tenant’s row exists.',
    scope: 'database',
  },
  `${withGrantees}
   select format('%I.%I for %s', n.nspname, c.relname, g.name) as object,
          format('%s has %s on %I.%I.', case g.oid when 0 then 'Every role' else g.name end,
            string_agg(acl.privilege_type, ', ' order by acl.privilege_type), n.nspname, c.relname) as problem,
          format('revoke %s on %I.%I from %s;', lower(string_agg(acl.privilege_type, ', ' order by acl.privilege_type)), n.nspname, c.relname, g.name) as fix,
          'owner' as "fixAs", true as "isFixSafe",
          case when bool_or(acl.privilege_type in ('TRUNCATE', 'TRIGGER')) then 'error' else 'warning' end as level
     from pg_catalog.pg_class as c
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    cross join lateral aclexplode(c.relacl) as acl
     join grantees as g on g.oid = acl.grantee
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and acl.privilege_type in ('TRUNCATE', 'TRIGGER', 'REFERENCES', 'MAINTAIN')
      and n.nspname not in ('pg_catalog', 'information_schema', 'partywall') and n.nspname !~ '^pg_'
      and not exists (select from pg_catalog.pg_depend as e where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
    group by n.nspname, c.relname, g.oid, g.name
    order by 1`,
)
