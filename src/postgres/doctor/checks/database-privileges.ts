// CREATE and TEMPORARY on the database.

import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

export const databasePrivileges = bySql(
  {
    stem: 'database-privileges',
    level: 'error',
    title: 'The application may create schemas or temporary tables',
    gain: 'A temporary table stands before the real one in every statement that does not name the schema, as long as the pooled connection lives: the next tenant writes into it.',
    scope: 'database',
  },
  `${withGrantees}
   select format('%I for %s', d.datname, g.name) as object,
          format('%s has %s on the database %I.', case g.oid when 0 then 'Every role' else g.name end,
            string_agg(acl.privilege_type, ' and ' order by acl.privilege_type), d.datname) as problem,
          format('revoke create, temporary on database %I from %s;', d.datname, g.name) as fix,
          'administrator' as "fixAs", true as "isFixSafe"
     from pg_catalog.pg_database as d
    cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) as acl
     join grantees as g on g.oid = acl.grantee
    where d.datname = current_database() and acl.privilege_type in ('CREATE', 'TEMPORARY')
    group by d.datname, g.oid, g.name
    order by 1`,
)
