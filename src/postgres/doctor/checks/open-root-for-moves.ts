// Roots under which tenants' own tables move have no policy: nobody but their owner may have a privilege on them. The rule is that of the
// boot gate.

import { rootComment } from '../../moves/partition-roots.ts'
import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'
import { withTables } from '../reach.ts'

export const openRootForMoves = bySql(
  {
    stem: 'open-root-for-moves',
    level: 'error',
    title: 'A root for moves is open to others than its owner',
    gain: 'Tenants’ own tables are attached to the root while they move: whoever can use it reads and writes every tenant who moves.',
    scope: 'database',
  },
  `${withTables}
   select m.name as object,
          format('%s is the root under which tenants'' own tables move, and it has %s.', m.name, concat_ws(', ',
            case when c.relowner <> owner.oid then format('the owner %I', pg_get_userbyid(c.relowner)) end,
            case when not (c.relrowsecurity and c.relforcerowsecurity) then 'no forced row-level security' end,
            case when found.away then 'privileges that are not its owner''s' end,
            case when found.ruled then 'a policy' end)) as problem,
          concat_ws(' ',
            case when c.relowner <> owner.oid then format('alter table %s owner to %I;', m.name, owner.rolname) end,
            (select string_agg(format('drop policy %I on %s;', p.polname, m.name), ' ') from pg_catalog.pg_policy as p where p.polrelid = m.oid),
            (select string_agg(distinct format('revoke all on %s from %s;', m.name, case acl.grantee when 0 then 'public' else format('%I', pg_get_userbyid(acl.grantee)) end), ' ')
               from aclexplode(c.relacl) as acl where acl.grantee <> c.relowner),
            (select string_agg(distinct format('revoke all (%I) on %s from %s;', a.attname, m.name, case acl.grantee when 0 then 'public' else format('%I', pg_get_userbyid(acl.grantee)) end), ' ')
               from pg_catalog.pg_attribute as a, aclexplode(a.attacl) as acl where a.attrelid = m.oid and a.attacl is not null),
            format('alter table %s enable row level security, force row level security;', m.name)) as fix,
          c.relowner = owner.oid as "isFixSafe",
          case when c.relowner = owner.oid then 'owner' else 'administrator' end as "fixAs"
     from members as m
     join pg_catalog.pg_class as c on c.oid = m.oid
     join pg_catalog.pg_roles as owner on owner.rolname = '${roles.owner}'
    cross join lateral (
            select exists (select from aclexplode(c.relacl) as acl where acl.grantee <> c.relowner)
                or exists (select from pg_catalog.pg_attribute as a, aclexplode(a.attacl) as acl where a.attrelid = c.oid and a.attacl is not null) as away,
                   exists (select from pg_catalog.pg_policy as p where p.polrelid = c.oid) as ruled
          ) as found
    where m.kind = 'p' and obj_description(c.oid, 'pg_class') = '${rootComment}'
      and (c.relowner <> owner.oid or not (c.relrowsecurity and c.relforcerowsecurity) or found.away or found.ruled)
    order by 1`,
)
