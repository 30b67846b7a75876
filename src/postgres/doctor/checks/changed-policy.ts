// The five policies of every protected table, compared with what protect() makes, in PostgreSQL's own words. The rule is that of the boot
// gate; a table is one finding.

import { bySql } from '../check.ts'
import { withTables } from '../reach.ts'

export const changedPolicy = bySql(
  {
    stem: 'changed-policy',
    level: 'error',
    title: 'A policy of the wall is missing or was changed',
    gain: 'What the policy held back: with a changed expression another tenant’s rows, without the twins whatever a later policy opens.',
    scope: 'database',
  },
  `${withTables}
   , bound (type, suffix) as (
     values ('uuid'::regtype, ''), ('bigint'::regtype, '_bigint'), ('text'::regtype, '_text')
   ), wanted (name, permissive, command, mode, uses, checks) as (
     values
       ('partywall_tenant', true, '*', '', true, true),
       ('partywall_wall_select', false, 'r', '', true, false),
       ('partywall_wall_insert', false, 'a', '_for_writing', false, true),
       ('partywall_wall_update', false, 'w', '_for_writing', true, true),
       ('partywall_wall_delete', false, 'd', '_for_writing', true, false)
   ), expected as (
     select m.oid, m.name as table_name, m.tenant_column, w.name, w.permissive, w.command, w.uses, w.checks,
            format(E'(%I = ( SELECT b.tenant_id\\n   FROM partywall.bound%s%s b))', m.tenant_column, bound.suffix, w.mode) as expression
       from members as m
       left join pg_catalog.pg_attribute as a on a.attrelid = m.oid and a.attname = m.tenant_column and not a.attisdropped
       left join bound on bound.type = a.atttypid
      cross join wanted as w
      where m.is_protected
   )
   select e.table_name as object,
          format('%s: %s.', e.table_name, string_agg(
            case when p.oid is null then format('the policy %s is missing', e.name) else format('the policy %s was changed', e.name) end, ', ' order by e.name)) as problem,
          format('select partywall.protect(%L, %L);', e.table_name, e.tenant_column) as fix
     from expected as e
     left join pg_catalog.pg_policy as p on p.polrelid = e.oid and p.polname = e.name
    where p.oid is null
       or p.polpermissive <> e.permissive
       or p.polcmd::text <> e.command
       or p.polroles <> '{0}'
       or pg_get_expr(p.polqual, p.polrelid) is distinct from case when e.uses then e.expression end
       or pg_get_expr(p.polwithcheck, p.polrelid) is distinct from case when e.checks then e.expression end
    group by e.table_name, e.tenant_column
    order by 1`,
)
