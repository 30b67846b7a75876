// Names that differ by case or blanks alone, where one of the two stands for a wall.

import { bySql } from '../check.ts'
import { withTables } from '../reach.ts'

export const caseTwins = bySql(
  {
    stem: 'case-twins',
    level: 'warning',
    title: 'Two tables, columns or schemas have names that differ by case alone',
    gain: 'A statement that leaves the quotes away reads or fills the other one: a table without policies, or a column that they do not look at.',
    scope: 'database',
  },
  `${withTables}, homes (schema) as (
     select distinct m.schema::text from members as m where m.is_protected
   ), named (scope, kind, name, object, is_walled) as (
     select '', 'schema', n.nspname::text, format('schema %I', n.nspname), homes.schema is not null
       from pg_catalog.pg_namespace as n
       left join homes on homes.schema = n.nspname
      where n.nspname !~ '^pg_(toast|temp)'
     union all
     select n.nspname::text, 'table', c.relname::text, format('%I.%I', n.nspname, c.relname), coalesce(m.is_protected, false)
       from pg_catalog.pg_class as c
       join pg_catalog.pg_namespace as n on n.oid = c.relnamespace and n.nspname::text in (select homes.schema from homes)
       left join members as m on m.oid = c.oid
      where c.relkind in ('r', 'p', 'v', 'm', 'f')
     union all
     select m.name, 'column', a.attname::text, format('%s.%I', m.name, a.attname), a.attname = m.tenant_column
       from members as m
       join pg_catalog.pg_attribute as a on a.attrelid = m.oid and a.attnum > 0 and not a.attisdropped
      where m.is_protected
   ), twins (scope, kind, folded) as (
     select n.scope, n.kind, lower(btrim(n.name))
       from named as n
      group by 1, 2, 3
     having count(*) > 1 and bool_or(n.is_walled)
   )
   select string_agg(n.object, ' and ' order by n.object collate "C") as object,
          format('The %s %s differ by case or blanks alone%s.',
            case twins.kind when 'schema' then 'schemas' when 'table' then 'tables or views' else 'columns' end,
            string_agg(n.object, ' and ' order by n.object collate "C"),
            case twins.kind when 'column' then ', and the policies look at one of them' else '' end) as problem,
          null as fix
     from twins
     join named as n on n.scope = twins.scope and n.kind = twins.kind and lower(btrim(n.name)) = twins.folded
    group by twins.scope, twins.kind, twins.folded
    order by 1`,
)
