// Other servers that the application can reach from within the database.

import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

export const foreignServers = bySql(
  {
    stem: 'foreign-servers',
    level: 'error',
    title: 'The application may use a foreign server or a user mapping',
    gain: 'A connection to another server, or back into this one, with stored credentials and without the wall.',
    scope: 'database',
  },
  `${withGrantees}
   select format('server %I for %s', s.srvname, g.name) as object,
          format('%s may use the foreign server %I.', case g.oid when 0 then 'Every role' else g.name end, s.srvname) as problem,
          format('revoke all on foreign server %I from %s;', s.srvname, g.name) as fix, 'administrator' as "fixAs"
     from pg_catalog.pg_foreign_server as s
    cross join lateral aclexplode(s.srvacl) as acl
     join grantees as g on g.oid = acl.grantee
   union
   select format('wrapper %I for %s', w.fdwname, g.name),
          format('%s may create servers of the foreign data wrapper %I.', case g.oid when 0 then 'Every role' else g.name end, w.fdwname),
          format('revoke all on foreign data wrapper %I from %s;', w.fdwname, g.name), 'administrator'
     from pg_catalog.pg_foreign_data_wrapper as w
    cross join lateral aclexplode(w.fdwacl) as acl
     join grantees as g on g.oid = acl.grantee
   union
   select format('mapping for %s on %I', g.name, m.srvname), format('%s has a user mapping on the foreign server %I.', case g.oid when 0 then 'Every role' else g.name end, m.srvname),
          format('drop user mapping for %s server %I;', g.name, m.srvname), 'administrator'
     from pg_catalog.pg_user_mappings as m
     join grantees as g on g.oid = m.umuser
    order by 1`,
)
