// Unique keys that two tenants share: the copy meets another tenant's value there, and is tried again for ever.

import { inEachPlace, type MoveCheck, type Said } from '../check.ts'
import { withTables } from '../tables-of-place.ts'

export const uniqueWithoutTenant: MoveCheck = {
  rule: 'unique-without-tenant',
  level: 'refuse',
  check: (survey) =>
    inEachPlace(survey, (place) =>
      place.query<Said>(
        `${withTables}
         select i.indexrelid::regclass::text as object,
                format('%s has no %I in it: rows of two tenants may be in each other''s way, and then the copy stands still.', pg_get_indexdef(i.indexrelid), m.tenant_column) as problem,
                case when k.contype in ('p', 'u') then partywall.key_with_tenant(k.oid, m.tenant_column)
                     when k.oid is null
                       then format('drop index %s; %s;', i.indexrelid::regclass,
                              regexp_replace(pg_get_indexdef(i.indexrelid), ' USING (\\w+) \\(', format(' USING \\1 (%I, ', m.tenant_column))) end as fix
           from members as m
           join pg_catalog.pg_index as i on i.indrelid = m.oid and (i.indisunique or i.indisexclusion)
           join pg_catalog.pg_class as ic on ic.oid = i.indexrelid and not ic.relispartition
           left join pg_catalog.pg_constraint as k on k.conindid = i.indexrelid and k.conrelid = m.oid and k.contype in ('p', 'u', 'x')
          where not coalesce(m.tenant_attnum = any ((i.indkey::int2[])[0 : i.indnkeyatts - 1]), false)
          order by 1`,
        [place.ownSchema ?? null],
      ),
    ),
}
