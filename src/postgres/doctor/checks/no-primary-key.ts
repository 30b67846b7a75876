// A protected table whose rows nothing names.

import { bySql } from '../check.ts'
import { withWalled } from '../walled.ts'

export const noPrimaryKey = bySql(
  {
    stem: 'no-primary-key',
    level: 'warning',
    title: 'A protected table has no primary key',
    gain: 'Nothing at once; but the tenant’s rows cannot follow a move while they are written, and no record of access can say which of them it was.',
    scope: 'database',
  },
  `${withWalled}, unique_keys (oid, constraint_sql) as (
     select t.oid, min(format('add primary key using index %I', ic.relname))
       from guarded as t
       join pg_catalog.pg_index as i on i.indrelid = t.oid and i.indisunique and i.indimmediate and i.indisvalid and not i.indisexclusion
        and i.indpred is null and i.indexprs is null and i.indkey[0] = t.tenant_attnum
       join pg_catalog.pg_class as ic on ic.oid = i.indexrelid and ic.relkind = 'i'
      where not exists (select from pg_catalog.pg_attribute as a where a.attrelid = t.oid and a.attnum = any (i.indkey) and not a.attnotnull)
        and not exists (select from pg_catalog.pg_constraint as k where k.conindid = i.indexrelid)
      group by t.oid
   )
   select t.name as object,
          format('%s has no primary key.', t.name) as problem,
          'alter table ' || t.name || ' '
            || coalesce(u.constraint_sql, case when id.attname is not null then format('add primary key (%I, %I)', t.tenant_column, id.attname) end) || ';' as fix
     from guarded as t
     left join unique_keys as u on u.oid = t.oid
     left join pg_catalog.pg_attribute as id on id.attrelid = t.oid and id.attname = 'id' and not id.attisdropped
    where t.oid = t.root
      and not exists (select from pg_catalog.pg_index as i where i.indrelid = t.oid and i.indisprimary)
    order by 1`,
)
