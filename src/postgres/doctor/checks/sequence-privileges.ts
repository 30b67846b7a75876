// Sequences are one counter for all tenants, and no policy holds for them.

import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

export const sequencePrivileges = bySql(
  {
    stem: 'sequence-privileges',
    level: 'warning',
    title: 'The application may read or set a sequence that all tenants share',
    gain: 'The counter tells how much the others write; with UPDATE, setval() makes their next inserts fail or their ids predictable.',
    scope: 'database',
  },
  `${withGrantees}
   select format('%I.%I for %s', n.nspname, c.relname, g.name) as object,
          format('%s has %s on the sequence %I.%I.', case g.oid when 0 then 'Every role' else g.name end,
            string_agg(acl.privilege_type, ', ' order by acl.privilege_type), n.nspname, c.relname) as problem,
          format('revoke all on sequence %I.%I from %s;', n.nspname, c.relname, g.name) as fix,
          'owner' as "fixAs", false as "isFixSafe",
          case when bool_or(acl.privilege_type = 'UPDATE') then 'warning' else 'note' end as level
     from pg_catalog.pg_class as c
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    cross join lateral aclexplode(c.relacl) as acl
     join grantees as g on g.oid = acl.grantee
    where c.relkind = 'S' and n.nspname not in ('pg_catalog', 'information_schema', 'partywall') and n.nspname !~ '^pg_'
      and not exists (select from pg_catalog.pg_depend as e where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
    group by n.nspname, c.relname, g.oid, g.name
    order by 1`,
)
