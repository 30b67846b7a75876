// A tenant column without NOT NULL, or with one that has not looked at the rows that were there before (NOT VALID, PostgreSQL 18).

import { bySql } from '../check.ts'
import { withTables } from '../reach.ts'

export const nullableTenantColumn = bySql(
  {
    stem: 'nullable-tenant-column',
    level: 'warning',
    title: 'The tenant column of a protected table may be null',
    gain: 'A row of nobody is shown to nobody or, by a careless policy, to all; a foreign key with a null in it is not checked.',
    scope: 'database',
  },
  `${withTables}
   select format('%s.%I', m.name, a.attname) as object,
          case when a.attnotnull then format('%I of %s is NOT NULL by a constraint that was never validated.', a.attname, m.name)
            else format('%I of %s may be null.', a.attname, m.name) end as problem,
          case when a.attnotnull then format('alter table %s validate constraint %I;', m.name, k.conname)
            else format('alter table %s alter column %I set not null;', m.name, a.attname) end as fix
     from members as m
     join pg_catalog.pg_attribute as a on a.attrelid = m.oid and a.attname = m.tenant_column and not a.attisdropped
     left join pg_catalog.pg_constraint as k on k.conrelid = m.oid and k.contype = 'n' and k.conkey = array[a.attnum] and not k.convalidated
    where m.is_protected and (not a.attnotnull or k.oid is not null)
    order by 1`,
)
