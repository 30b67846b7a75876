// An exclusion constraint, or a key with WITHOUT OVERLAPS (PostgreSQL 18), that compares the rows of all tenants.

import { bySql } from '../check.ts'
import { withWalled } from '../walled.ts'

export const exclusionWithoutTenant = bySql(
  {
    stem: 'exclusion-without-tenant',
    level: 'error',
    title: 'An exclusion constraint of a protected table leaves the tenant out',
    gain: 'An insert that fails says what another tenant holds (the room, the hours, the range), and keeps it from the others.',
    scope: 'database',
  },
  `${withWalled}
   select format('%I on %s', k.conname, t.name) as object,
          format('%s compares rows of all tenants: %s.', pg_get_constraintdef(k.oid),
            case when t.is_shared then 'one that is refused tells what another holds' else 'in a place that tenants share one that is refused would tell what another holds' end) as problem,
          case when k.contype = 'x'
            then format('alter table %s drop constraint %I, add constraint %I %s;', t.name, k.conname, k.conname,
                   regexp_replace(pg_get_constraintdef(k.oid), '\\(', format('(%I with =, ', t.tenant_column)))
            when cardinality(k.conkey) > 0
              then format('alter table %s drop constraint %I, add constraint %I %s;', t.name, k.conname, k.conname,
                     regexp_replace(pg_get_constraintdef(k.oid), '\\(', format('(%I, ', t.tenant_column))) end as fix,
          case when t.is_shared and t.is_written then 'error' else 'note' end as level
     from guarded as t
     join pg_catalog.pg_constraint as k on k.conrelid = t.oid and k.conparentid = 0 and k.conexclop is not null
    where not exists (
            select from unnest(k.conkey, k.conexclop) as part (attnum, op)
              join pg_catalog.pg_operator as o on o.oid = part.op
             where part.attnum = t.tenant_attnum and o.oprname = '='
          )
    order by 1`,
)
