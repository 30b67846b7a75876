// A text that says whose the row is and is not compared as bytes: on a protected table any collation but "C", elsewhere one that is not
// deterministic, citext or char(n). It is an error where different texts are equal.

import { bySql } from '../check.ts'
import { withPolicies } from '../policies.ts'

export const tenantColumnCollation = bySql(
  {
    stem: 'tenant-column-collation',
    level: 'warning',
    title: 'The tenant column is compared by a collation or a type that makes different texts equal',
    gain: 'A tenant whose key differs by case, accents or blanks only reads the other’s rows.',
    scope: 'database',
  },
  `${withPolicies}
   select distinct format('%s.%I', m.name, a.attname) as object,
          format('%I of %s is %s%s: %s.', a.attname, m.name, format_type(a.atttypid, a.atttypmod), ' collate ' || quote_ident(k.collname),
            case when same.texts then 'different texts are equal' else 'its order is that of the server''s libraries, and changes with them' end) as problem,
          null as fix,
          case when same.texts then 'error' else 'warning' end as level
     from members as m
     left join guessed on guessed.oid = m.oid
     join pg_catalog.pg_attribute as a on a.attrelid = m.oid and a.attname = coalesce(m.tenant_column, guessed.tenant_column) and not a.attisdropped
     join pg_catalog.pg_type as t on t.oid = a.atttypid
     left join pg_catalog.pg_collation as k on k.oid = a.attcollation
    cross join lateral (
            select not k.collisdeterministic or t.typname = 'citext' or coalesce(nullif(t.typbasetype, 0), t.oid) = 'bpchar'::regtype as texts
          ) as same
    where (m.is_protected and t.oid = 'text'::regtype and k.collname <> 'C')
       or (not m.is_protected and same.texts and exists (select from policies as p where p.rel = m.oid))
    order by 1`,
)
