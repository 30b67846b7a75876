// A foreign table is read on another server, as the user of the mapping; row-level security is not for it.

import { bySql } from '../check.ts'
import { withGrants } from '../grants.ts'

export const readableForeignTable = bySql(
  {
    stem: 'readable-foreign-table',
    level: 'error',
    title: 'The application reads a foreign table',
    gain: 'The rows of every tenant that are in it, with ordinary statements: no policy can stand on it.',
    scope: 'database',
  },
  `${withGrants}
   select format('%I.%I', n.nspname, c.relname) as object,
          format('The foreign table %I.%I cannot carry policies, and %s.', n.nspname, c.relname,
            string_agg(distinct format('%s may %s', g.grantee, lower(g.privilege)), ', ')) as problem,
          string_agg(distinct format('revoke all on %I.%I from %s;', n.nspname, c.relname, g.grantee), ' ') as fix
     from grants as g
     join pg_catalog.pg_class as c on c.oid = g.oid and c.relkind = 'f'
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where not exists (select from partywall.global_tables as g where g.table_name = format('%I.%I', n.nspname, c.relname))
      and not exists (select from extension_parts as e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
    group by n.nspname, c.relname
    order by 1`,
)
