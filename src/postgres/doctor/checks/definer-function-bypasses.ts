// A SECURITY DEFINER function that a login may call, of an owner for whom no policy holds or who issues capabilities.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'
import { withFunctions } from '../functions.ts'

export const definerFunctionBypasses = bySql(
  {
    stem: 'definer-function-bypasses',
    level: 'error',
    title: 'The application calls a function that runs with rights which pass every policy',
    gain: 'All that the function reads and writes is that of all tenants; what it takes as an argument decides whose.',
    scope: 'database',
  },
  `${withFunctions}
   select f.name as object,
          format('The application may call %s, which runs with the rights of %I%s.', f.name, o.rolname,
            case when o.rolsuper or o.rolbypassrls then ', for whom no policy holds' else ', who issues capabilities or becomes the owner' end) as problem,
          (select string_agg(distinct format('revoke execute on function %s from %s;', f.name, takers.name), ' ')
             from pg_catalog.pg_proc as p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl
             join takers on takers.oid = acl.grantee where p.oid = f.oid) as fix
     from functions as f
     join pg_catalog.pg_roles as o on o.oid = f.owner
    where f.is_definer and f.is_called and f.returns not in ('trigger'::regtype, 'event_trigger'::regtype)
      and (o.rolsuper or o.rolbypassrls or o.rolname in ('${roles.gatekeeper}', '${roles.migrator}'))
    order by 1`,
)
