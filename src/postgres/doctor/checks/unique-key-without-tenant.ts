// A unique key that holds for all tenants together. How bad it is depends on whether its values can be guessed.

import { bySql } from '../check.ts'
import { withKeyMends } from '../key-mends.ts'

export const uniqueKeyWithoutTenant = bySql(
  {
    stem: 'unique-key-without-tenant',
    level: 'error',
    title: 'A unique key of a protected table leaves the tenant out',
    gain: 'An insert that fails says that another tenant has the value, value by value; and whoever takes it first keeps it from the others.',
    scope: 'database',
  },
  `${withKeyMends}
   select format('%I.%I', n.nspname, ic.relname) as object,
          format('%s has no %I in it: %s.', pg_get_indexdef(i.indexrelid), t.tenant_column,
            case when not t.is_shared then 'in a place that tenants share it would tell one what another holds'
              when key.is_random then 'whoever knows a value of another tenant''s can ask whether it is there, but nobody guesses one'
              when key.is_uuid then 'whoever guesses how the uuids are made can ask which of them others hold'
              when key.is_counted then 'its numbers can be tried one by one, and tell how many rows all tenants have'
              else 'it tells one tenant which values another holds' end) as problem,
          case when k.oid is not null then mends.mend
            else format('drop index %I.%I; %s;', n.nspname, ic.relname,
                   regexp_replace(pg_get_indexdef(i.indexrelid), ' USING (\\w+) \\(', format(' USING \\1 (%I, ', t.tenant_column))) end as fix,
          case when not t.is_shared or not t.is_written or key.is_random then 'note' when key.is_uuid or key.is_counted then 'warning' else 'error' end as level
     from guarded as t
     join pg_catalog.pg_index as i on i.indrelid = t.oid and i.indisunique and not i.indisexclusion
      and not t.tenant_attnum = any ((i.indkey::int2[])[0 : i.indnkeyatts - 1])
     -- A partition's part of its parent's index is told with the parent's.
     join pg_catalog.pg_class as ic on ic.oid = i.indexrelid and not ic.relispartition
     join pg_catalog.pg_namespace as n on n.oid = ic.relnamespace
     left join pg_catalog.pg_constraint as k on k.conindid = i.indexrelid and k.conrelid = t.oid and k.contype in ('p', 'u')
     left join key_mends as mends on mends.index = i.indexrelid
    cross join lateral (
            select coalesce(bool_or(pg_get_expr(d.adbin, d.adrelid) ~ '(gen_random_uuid|gen_random_bytes|uuid_generate_v4|uuidv4|uuidv7)\\('), false) as is_random,
                   coalesce(bool_or(a.atttypid = 'uuid'::regtype), false) as is_uuid,
                   coalesce(bool_or(a.attidentity <> '' or pg_get_expr(d.adbin, d.adrelid) ~ 'nextval\\('), false) as is_counted
              from pg_catalog.pg_attribute as a
              left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
             where a.attrelid = t.oid and a.attnum = any ((i.indkey::int2[])[0 : i.indnkeyatts - 1])
          ) as key
    order by 1`,
)
