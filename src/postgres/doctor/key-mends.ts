// Foreign keys of protected tables, and the SQL that puts the tenant into keys. The wall's own functions that write such SQL are not the
// doctor's to call, and take one key at a time.

import { withWalled } from './walled.ts'

/**
 * As `withWalled`, and
 * `foreign_keys` (oid, object, name, index, here, here_name, there, there_name, is_here_global, is_shared, is_written, carries_tenant,
 * on_update, on_delete, leaves, comes): those into protected tables, out of protected and global ones; of a partitioned
 * table's the root's alone. `carries_tenant`: the tenant columns of both ends face each other. `is_shared`: the two may be of two tenants.
 * `leaves` drops the key, `comes` makes it with the tenant, for rows of all tenants, whom the owner does not see otherwise; it is null where
 * the end that refers has no tenant, or a person must say what it should be;
 * `key_mends` (index, mend): of constraints without the tenant; foreign keys into them go and come back.
 */
export const withKeyMends = `${withWalled}, foreign_keys as (
  select k.oid, format('%I on %s', k.conname, m.name) as object, k.conname::text as name, k.conindid as index, k.conrelid as here, m.name as here_name,
         k.confrelid as there, t.name as there_name, m.is_global as is_here_global,
         t.is_shared or m.schema <> t.schema as is_shared, coalesce(h.is_written, false) as is_written, side.carries_tenant,
         k.confupdtype::text as on_update, k.confdeltype::text as on_delete,
         format('alter table %s drop constraint %I;', m.name, k.conname) as leaves,
         case when h.oid is not null and not i.indisexclusion and (side.set_by is not null or k.confdeltype not in ('n', 'd')) then format('select partywall.across_tenants(%L, %L, %L);', format('alter table %s add constraint %I foreign key (%I%s) references %s (%I%s)%s%s%s%s%s',
           m.name, k.conname, h.tenant_column, side.own, t.name, t.tenant_column, side.other,
           case k.confmatchtype when 'f' then ' match full' end,
           -- The tenant is never set to null, nor to another.
           case k.confupdtype when 'c' then ' on update cascade' when 'r' then ' on update restrict' end,
           case k.confdeltype when 'c' then ' on delete cascade' when 'r' then ' on delete restrict'
             when 'n' then format(' on delete set null (%s)', side.set_by) when 'd' then format(' on delete set default (%s)', side.set_by) end,
           case when k.condeferrable then ' deferrable' end, case when k.condeferred then ' initially deferred' end), m.name, t.name) end as comes
    from pg_catalog.pg_constraint as k
    join pg_catalog.pg_index as i on i.indexrelid = k.conindid
    join members as m on m.oid = k.conrelid
    join guarded as t on t.oid = k.confrelid
    left join guarded as h on h.oid = k.conrelid
   cross join lateral (
           select coalesce(bool_or(pair.here = h.tenant_attnum and pair.there = t.tenant_attnum), false) as carries_tenant,
                  coalesce(string_agg(', ' || quote_ident(a.attname), '' order by pair.ord) filter (where pair.is_rest), '') as own,
                  coalesce(string_agg(', ' || quote_ident(b.attname), '' order by pair.ord) filter (where pair.is_rest), '') as other,
                  string_agg(quote_ident(a.attname), ', ' order by pair.ord)
                    filter (where pair.is_rest and pair.here = any (coalesce(k.confdelsetcols, k.conkey))) as set_by
             from (select p.*, p.here is distinct from h.tenant_attnum and p.there <> t.tenant_attnum as is_rest
                     from unnest(k.conkey, k.confkey) with ordinality as p (here, there, ord)) as pair
             join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = pair.here
             join pg_catalog.pg_attribute as b on b.attrelid = k.confrelid and b.attnum = pair.there
         ) as side
   where k.contype = 'f' and k.conparentid = 0 and (h.oid is not null or m.is_global)
), referred_to (index, leaves, comes) as (
  select f.index, string_agg(f.leaves || ' ', '' order by f.oid), case when not bool_or(f.comes is null) then string_agg(' ' || f.comes, '' order by f.oid) end
    from foreign_keys as f
   group by f.index
), key_mends as (
  select k.conindid as index,
         coalesce(r.leaves, '')
           || format('alter table %s drop constraint %I, add constraint %I %s;', t.name, k.conname, k.conname,
                replace(pg_get_constraintdef(k.oid), '(' || listed.names || ')', format('(%I, %s)', t.tenant_column, listed.names)))
           || case when r.index is null then '' else r.comes end as mend
    from guarded as t
    join pg_catalog.pg_constraint as k on k.conrelid = t.oid and k.contype in ('p', 'u') and not t.tenant_attnum = any (k.conkey)
    left join referred_to as r on r.index = k.conindid
   cross join lateral (
           select string_agg(quote_ident(a.attname), ', ' order by c.ord) as names
             from unnest(k.conkey) with ordinality as c (attnum, ord)
             join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = c.attnum
         ) as listed
   where k.conparentid = 0 and k.conexclop is null
)`

/**
 * SQL: mends the foreign key `k`, which is `c` in pg_constraint, refers to `t` of `guarded` and has `mends` of key_mends at its index: by its constraint alone where there is a
 * unique key with the tenant that it can refer to; else by the key that it refers to.
 */
export const mendOfReference = `case
  when k.carries_tenant or exists (
    select from pg_catalog.pg_index as i
     where i.indrelid = k.there and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null and i.indexprs is null
       and (select array_agg(distinct a order by a) from unnest((i.indkey::int2[])[0 : i.indnkeyatts - 1]) as a)
         = (select array_agg(distinct a order by a) from unnest(c.confkey || t.tenant_attnum) as a)
  ) then k.leaves || ' ' || k.comes
  else mends.mend end`
