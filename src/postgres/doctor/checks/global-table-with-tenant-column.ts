// A global table with a column of the name that is a tenant column elsewhere: it was declared global by mistake, or has changed since.

import { bySql } from '../check.ts'
import { withTables } from '../reach.ts'

export const globalTableWithTenantColumn = bySql(
  {
    stem: 'global-table-with-tenant-column',
    level: 'warning',
    title: 'A table that is declared global has a tenant column',
    gain: 'If its rows belong to tenants after all, each reads those of all others.',
    scope: 'database',
  },
  `${withTables}
   select m.name as object,
          format('%s is declared global and has the column %s, which says whose a row is elsewhere.', m.name, string_agg(format('%I', a.attname), ', ')) as problem,
          null as fix
     from members as m
     join pg_catalog.pg_attribute as a on a.attrelid = m.oid and a.attnum > 0 and not a.attisdropped
    where m.is_global
      and a.attname::text in (select 'tenant_id' union select p.tenant_column from partywall.protected_tables as p)
    group by m.name
    order by 1`,
)
