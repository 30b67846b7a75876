// Objects that belong to a login of the application, or to a role that it can become. One row of pg_shdepend each, whatever their kind.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'
import { withReach } from '../reach.ts'

export const ownedByApplication = bySql(
  {
    stem: 'owned-by-application',
    level: 'error',
    title: 'The application’s login owns something in the database',
    gain: 'The owner of a table switches its policies off; the owner of a function or a schema puts other code where trusted code was.',
    scope: 'database',
  },
  `${withReach}
   select format('%s %s', thing.type, thing.identity) as object,
          format('%I owns the %s %s.', r.rolname, thing.type, thing.identity) as problem,
          format('alter %s %s owner to ${roles.owner};', thing.type, thing.identity) as fix,
          'administrator' as "fixAs"
     from pg_catalog.pg_shdepend as s
     join pg_catalog.pg_roles as r on r.oid = s.refobjid
     join pg_catalog.pg_database as d on d.oid = s.dbid and d.datname = current_database()
    cross join lateral pg_catalog.pg_identify_object(s.classid, s.objid, s.objsubid) as thing
    where s.deptype = 'o' and s.refclassid = 'pg_catalog.pg_authid'::regclass
      and s.refobjid in (select reach.role from reach)
      and thing.identity is not null and coalesce(thing.schema, '') !~ '^pg_temp'
    order by 1`,
)
