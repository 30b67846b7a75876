// PostgreSQL lets everybody call a new function, unless its creator’s default privileges say otherwise.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'

export const defaultExecute = bySql(
  {
    stem: 'default-execute',
    level: 'warning',
    title: 'Everybody may call the functions that the owner will create',
    gain: 'A function made to run with the owner’s rights is callable by the application as soon as it exists.',
    scope: 'database',
  },
  `select r.rolname::text as object,
          format('Everybody may call what %I will create.', r.rolname) as problem,
          format('alter default privileges for role %I revoke execute on functions from public;', r.rolname) as fix,
          'administrator' as "fixAs", true as "isFixSafe"
     from pg_catalog.pg_roles as r
    where r.rolname = '${roles.owner}' and $1::name is not null
      and exists (
        select from aclexplode(coalesce(
            (select d.defaclacl from pg_catalog.pg_default_acl as d where d.defaclrole = r.oid and d.defaclnamespace = 0 and d.defaclobjtype = 'f'),
            acldefault('f', r.oid))) as acl
         where acl.grantee = 0)`,
)
