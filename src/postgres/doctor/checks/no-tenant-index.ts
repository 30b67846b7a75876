// A protected table without an index that begins with the tenant. Of a partitioned table its partitions are asked, since each has its own.

import { bySql } from '../check.ts'
import { withWalled } from '../walled.ts'

export const noTenantIndex = bySql(
  {
    stem: 'no-tenant-index',
    level: 'warning',
    title: 'A protected table has no index that begins with the tenant',
    gain: 'Every statement of any tenant reads the rows of all: one tenant’s size is what the others wait for, and can measure.',
    scope: 'database',
  },
  `${withWalled}, indexed (oid) as (
     select i.indrelid
       from pg_catalog.pg_index as i
       join guarded as t on t.oid = i.indrelid and i.indkey[0] = t.tenant_attnum
      where i.indisvalid and i.indpred is null
   )
   select named.name as object,
          format('%s has no index that begins with %I%s.', named.name, named.tenant_column,
            case when bool_or(named.oid <> t.oid) then format(', nor have %s of its partitions', count(*)) end) as problem,
          format('create index on %s (%I);', named.name, named.tenant_column) as fix,
          case when bool_or(t.is_shared) then 'warning' else 'note' end as level
     from guarded as t
     -- Where the root has none, one made there is one of each partition's.
     join guarded as named on named.oid = case when t.root in (select indexed.oid from indexed) then t.oid else t.root end
    where t.kind = 'r' and t.oid not in (select indexed.oid from indexed)
    group by named.name, named.tenant_column
    order by 1`,
)
