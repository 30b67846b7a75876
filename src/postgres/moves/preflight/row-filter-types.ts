// The column by which the tenant's rows are told from others' where they are published.

import { inEachPlace, type MoveCheck, type Said } from '../check.ts'
import { withTables } from '../tables-of-place.ts'

export const rowFilterTypes: MoveCheck = {
  rule: 'row-filter-types',
  level: 'refuse',
  check: (survey) =>
    inEachPlace(survey, (place) =>
      place.query<Said>(
        `${withTables}
         select format('%s.%I', t.name, t.tenant_column) as object,
                format('%I is %s: rows can be told apart by uuid, bigint, or text collate "C".', t.tenant_column,
                  coalesce(format_type(a.atttypid, a.atttypmod) || case when a.attcollation <> 0 then format(' collate %s', a.attcollation::regcollation) else '' end, 'not there')) as problem,
                (select f.fix from partywall.table_findings(t.oid, t.tenant_column) as f where f.rule in ('tenant_type', 'tenant_column') limit 1) as fix
           from tables as t
           left join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attname = t.tenant_column and not a.attisdropped
          where partywall.tenant_key_type(t.oid, t.tenant_column) is null
          order by 1`,
        [place.ownSchema ?? null],
      ),
    ),
}
