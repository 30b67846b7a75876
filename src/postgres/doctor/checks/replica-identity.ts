// A protected table of whose changes the log does not say which tenant's row it was. Without a primary key, no-primary-key tells.

import { bySql } from '../check.ts'
import { withWalled } from '../walled.ts'

export const replicaIdentity = bySql(
  {
    stem: 'replica-identity',
    level: 'warning',
    title: 'The replica identity of a protected table leaves the tenant out',
    gain: 'While one tenant of the table moves, every update and delete of all tenants there is refused.',
    scope: 'database',
  },
  `${withWalled}
   select t.name as object,
          format('The replica identity of %s is %s, which does not say whose row it was.', t.name,
            case t.identity when 'n' then 'nothing' when 'd' then 'a primary key without the tenant' else 'an index without the tenant' end) as problem,
          format('alter table %s replica identity %s;', t.name, case when p.has_tenant then 'default' else 'full' end) as fix
     from guarded as t
    cross join lateral (
            select bool_or(t.tenant_attnum = any (i.indkey) and i.indisvalid and i.indimmediate) filter (where i.indisprimary) as has_tenant,
                   coalesce(bool_or(t.tenant_attnum = any (i.indkey) and i.indisvalid and i.indimmediate)
                     filter (where (t.identity = 'd' and i.indisprimary) or (t.identity = 'i' and i.indisreplident)), false) as is_told
              from pg_catalog.pg_index as i
             where i.indrelid = t.oid
          ) as p
    where t.kind = 'r' and t.identity <> 'f' and not p.is_told and p.has_tenant is not null
    order by 1`,
)
