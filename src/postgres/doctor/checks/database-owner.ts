// Databases that belong to a login of the application.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'
import { withReach } from '../reach.ts'

export const databaseOwner = bySql(
  {
    stem: 'database-owner',
    level: 'error',
    title: 'The application’s login owns a database',
    gain: 'The owner of a database creates schemas in it, stores settings for every session, lets others connect, and may drop it.',
    scope: 'server',
  },
  `${withReach}
   select d.datname::text as object,
          format('%I owns the database %I.', r.rolname, d.datname) as problem,
          format('alter database %I owner to ${roles.owner};', d.datname) as fix,
          'administrator' as "fixAs"
     from pg_catalog.pg_database as d
     join pg_catalog.pg_roles as r on r.oid = d.datdba
    where d.datdba in (select reach.role from reach)
    order by 1`,
)
