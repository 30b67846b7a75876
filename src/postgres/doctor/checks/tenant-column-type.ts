// The tenant column of a protected table is gone, or of a type of which protect() would not have it: two spellings must never be one
// tenant.

import { bySql } from '../check.ts'
import { withTables } from '../reach.ts'

export const tenantColumnType = bySql(
  {
    stem: 'tenant-column-type',
    level: 'error',
    title: 'A protected table has lost its tenant column, or the type that keeps tenants apart',
    gain: 'Without the column no policy can tell tenants apart; of some types two spellings are one tenant.',
    scope: 'database',
  },
  `${withTables}
   select format('%s.%I', m.name, m.tenant_column) as object,
          case when a.attnum is null then format('%s has no column %I any more.', m.name, m.tenant_column)
            else format('%I of %s is %s; it must be uuid, bigint or text collate "C".', a.attname, m.name, format_type(a.atttypid, a.atttypmod)) end as problem,
          null as fix
     from members as m
     left join pg_catalog.pg_attribute as a on a.attrelid = m.oid and a.attname = m.tenant_column and a.attnum > 0 and not a.attisdropped
    where m.is_protected
      and (a.attnum is null or a.atttypid not in ('uuid'::regtype, 'bigint'::regtype, 'text'::regtype))
    order by 1`,
)
