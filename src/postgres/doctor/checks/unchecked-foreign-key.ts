// A foreign key that has the tenant and does not hold for every row.

import { bySql } from '../check.ts'
import { withKeyMends } from '../key-mends.ts'

export const uncheckedForeignKey = bySql(
  {
    stem: 'unchecked-foreign-key',
    level: 'warning',
    title: 'A foreign key of a protected table is not checked for every row',
    gain: 'A row refers to what is not its tenant’s, or is not there, and whatever follows the reference without the tenant finds another’s row.',
    scope: 'database',
  },
  `${withKeyMends}, key_columns (key, tenant_is_null, blank_names, blank_attnums) as (
     select k.oid, bool_or(not a.attnotnull) filter (where a.attnum = h.tenant_attnum),
            array_agg(quote_ident(a.attname) order by a.attnum) filter (where not a.attnotnull),
            array_agg(a.attnum order by a.attnum) filter (where not a.attnotnull)
       from foreign_keys as k
       join guarded as h on h.oid = k.here
       join pg_catalog.pg_constraint as c on c.oid = k.oid and c.confmatchtype = 's'
       join pg_catalog.pg_attribute as a on a.attrelid = k.here and a.attnum = any (c.conkey)
      group by k.oid
   ), switched_off (key) as (
     select distinct g.tgconstraint from pg_catalog.pg_trigger as g join foreign_keys as k on k.oid = g.tgconstraint where g.tgenabled not in ('O', 'A')
   ), why as (
     select k.oid, 1 as rank, 'warning' as level, 'owner' as fix_as,
            format('is NOT ENFORCED, so that no row of %s is checked', k.here_name) as problem,
            -- It looks at the rows of all tenants, whom the owner does not see otherwise.
            format('select partywall.across_tenants(%L, %L, %L);', format('alter table %s alter constraint %I enforced', k.here_name, k.name), k.here_name, k.there_name) as fix
       from foreign_keys as k
       join pg_catalog.pg_constraint as c on c.oid = k.oid
      where to_jsonb(c) ->> 'conenforced' = 'false' -- PostgreSQL 18 has the column.
     union all
     select k.oid, 2, 'warning', 'administrator', format('has its triggers switched off, so that no row of %s or %s is checked', k.here_name, k.there_name),
            concat_ws(' ', format('alter table %s enable trigger all;', k.here_name),
              case when k.here <> k.there then format('alter table %s enable trigger all;', k.there_name) end)
       from foreign_keys as k
       join switched_off on switched_off.key = k.oid
     union all
     select k.oid, 3, 'warning', 'owner', format('is not checked for rows of %s without a tenant, since MATCH SIMPLE passes over a null', k.here_name),
            format('alter table %s alter column %I set not null;', k.here_name, h.tenant_column)
       from foreign_keys as k
       join key_columns as n on n.key = k.oid and n.tenant_is_null
       join guarded as h on h.oid = k.here
     union all
     select k.oid, 4, 'note', 'owner', format('is NOT VALID: rows of %s from before it were never checked', k.here_name),
            format('select partywall.across_tenants(%L, %L, %L);', format('alter table %s validate constraint %I', k.here_name, k.name), k.here_name, k.there_name)
       from foreign_keys as k
       join pg_catalog.pg_constraint as c on c.oid = k.oid and not c.convalidated
     union all
     select k.oid, 5, 'note', 'owner', format('is not checked for rows of %s where one of %s is null and another is not', k.here_name, array_to_string(n.blank_names, ', ')),
            format('alter table %s add check (num_nulls(%s) in (0, %s));', k.here_name, array_to_string(n.blank_names, ', '), cardinality(n.blank_names))
       from foreign_keys as k
       join key_columns as n on n.key = k.oid and not n.tenant_is_null and cardinality(n.blank_names) > 1
      -- A check that names them all is believed to say that they are null together.
      where not exists (
              select from pg_catalog.pg_constraint as c
               where c.conrelid = k.here and c.contype = 'c' and c.convalidated and c.conkey @> n.blank_attnums
            )
   )
   select distinct on (k.object) k.object, format('%I %s.', k.name, why.problem) as problem, why.fix, why.fix_as as "fixAs", why.level
     from why
     join foreign_keys as k on k.oid = why.oid and k.carries_tenant
    order by k.object, why.rank`,
)
