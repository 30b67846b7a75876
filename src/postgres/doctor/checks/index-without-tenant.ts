// An index that does not begin with the tenant. Unique keys that leave the tenant out altogether are told by unique-key-without-tenant; GIN,
// GiST and BRIN often cannot begin with a uuid, and are left out.

import { bySql } from '../check.ts'
import { withWalled } from '../walled.ts'

export const indexWithoutTenant = bySql(
  {
    stem: 'index-without-tenant',
    level: 'warning',
    title: 'An index of a protected table does not begin with the tenant',
    gain: 'A search runs through the other tenants’ entries: how long it takes, and the rows that EXPLAIN ANALYZE says were removed, tell what they hold.',
    scope: 'database',
  },
  `${withWalled}
   select format('%I.%I', n.nspname, ic.relname) as object,
          format('%s does not begin with %I%s.', pg_get_indexdef(i.indexrelid), t.tenant_column,
            case when t.is_shared then ': a search in it passes the rows of other tenants' else ', as it must once tenants share the place' end) as problem,
          case when k.oid is null then format('drop index %I.%I; %s;', n.nspname, ic.relname,
                 -- A hash index has one column.
                 regexp_replace(pg_get_indexdef(i.indexrelid), ' USING \\w+ \\(', format(' USING btree (%I, ', t.tenant_column))) end as fix,
          case when t.is_shared then 'warning' else 'note' end as level
     from guarded as t
     join pg_catalog.pg_index as i on i.indrelid = t.oid and not i.indisexclusion and i.indkey[0] <> t.tenant_attnum
     join pg_catalog.pg_class as ic on ic.oid = i.indexrelid and not ic.relispartition
     join pg_catalog.pg_namespace as n on n.oid = ic.relnamespace
     join pg_catalog.pg_am as am on am.oid = ic.relam and am.amname in ('btree', 'hash')
     left join pg_catalog.pg_constraint as k on k.conindid = i.indexrelid and k.conrelid = t.oid and k.contype in ('p', 'u')
    where not i.indisunique or t.tenant_attnum = any ((i.indkey::int2[])[0 : i.indnkeyatts - 1])
    order by 1`,
)
