// A foreign key that writes when the row it refers to changes: PostgreSQL does so below the policies, in whosever row it is.

import { bySql } from '../check.ts'
import { mendOfReference, withKeyMends } from '../key-mends.ts'

export const cascadeAcrossTenants = bySql(
  {
    stem: 'cascade-across-tenants',
    level: 'error',
    title: 'A foreign key writes into the rows of another tenant, or takes rows out of a tenant’s hands',
    gain: 'One tenant’s delete or update deletes or changes another’s rows; ON UPDATE CASCADE copies the new value to whoever refers to the old one.',
    scope: 'database',
  },
  `${withKeyMends}
   select k.object,
          case when k.carries_tenant
            then format('%I sets the tenant of rows of %s to null or its default when a row of %s goes or changes.', k.name, k.here_name, k.there_name)
            else format('%I %s in rows of %s that may be another tenant''s%s.', k.name,
                   concat_ws(' and ', case k.on_delete when 'c' then 'deletes' when 'n' then 'sets null on delete' when 'd' then 'sets defaults on delete' end,
                     case k.on_update when 'c' then 'updates' when 'n' then 'sets null on update' when 'd' then 'sets defaults on update' end),
                   k.here_name, case when not k.is_shared then ', once several are in one place' else '' end) end as problem,
          ${mendOfReference} as fix,
          case when k.carries_tenant then 'warning' when not k.is_shared then 'note' when k.is_written or k.is_here_global then 'error' else 'warning' end as level
     from foreign_keys as k
     join guarded as t on t.oid = k.there
     join pg_catalog.pg_constraint as c on c.oid = k.oid
     left join key_mends as mends on mends.index = k.index
     left join guarded as h on h.oid = k.here
    where (not k.carries_tenant and (k.on_update in ('c', 'n', 'd') or k.on_delete in ('c', 'n', 'd')))
       or (k.carries_tenant and (k.on_update in ('n', 'd') or (k.on_delete in ('n', 'd') and h.tenant_attnum = any (coalesce(c.confdelsetcols, c.conkey)))))
    order by 1`,
)
