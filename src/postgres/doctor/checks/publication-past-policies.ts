// Publications that send the rows of a protected table without asking whose they are. A move's own have a filter for each table.

import { bySql } from '../check.ts'
import { parts } from '../protected-parts.ts'
import { withTables } from '../reach.ts'

export const publicationPastPolicies = bySql(
  {
    stem: 'publication-past-policies',
    level: 'warning',
    title: 'A publication sends the rows of all tenants',
    gain: 'Logical replication asks no policy: whoever may connect for replication reads every change of every tenant.',
    scope: 'database',
  },
  `${withTables}, ${parts}
   , sent (publication, name, kind) as (
     select p.oid, null, 'all' from pg_catalog.pg_publication as p where p.puballtables
     union all
     select s.pnpubid, format('tables in schema %I', n.nspname), 'schema'
       from pg_catalog.pg_publication_namespace as s
       join pg_catalog.pg_namespace as n on n.oid = s.pnnspid
      where exists (select from parts as t join pg_catalog.pg_class as c on c.oid = t.oid where c.relnamespace = s.pnnspid)
     union all
     select r.prpubid, t.name, 'table'
       from pg_catalog.pg_publication_rel as r
       join parts as t on t.oid = r.prrelid
      where r.prqual is null
         or not exists (
              select from pg_catalog.pg_attribute as a
               where a.attrelid = t.oid and a.attname = t.tenant_column
                 and pg_get_expr(r.prqual, r.prrelid) ~ format('(^|[^[:alnum:]_])%s([^[:alnum:]_]|$)', regexp_replace(a.attname, '([^[:alnum:]_])', '\\\\\\1', 'g')))
   )
   select quote_ident(p.pubname) as object,
          format('The publication %I sends %s, of every tenant.', p.pubname,
            case when bool_or(s.kind = 'all') then 'all tables'
                 when count(*) > 5 then format('%s and %s more', min(s.name), count(*) - 1)
                 else string_agg(s.name, ', ' order by s.name) end) as problem,
          case when bool_or(s.kind = 'all') then format('drop publication %I;', p.pubname)
               else format('alter publication %I drop %s;', p.pubname,
                      string_agg(case s.kind when 'table' then 'table ' || s.name else s.name end, ', ' order by s.kind, s.name)) end as fix,
          'administrator' as "fixAs"
     from sent as s
     join pg_catalog.pg_publication as p on p.oid = s.publication
    group by p.oid, p.pubname
    order by 1`,
)
