// A trigger on a protected table that runs with rights for which no policy holds. A trigger asks nobody for EXECUTE, so that
// definer-function-bypasses, which looks at what the application may call, does not see it.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'
import { withFunctions } from '../functions.ts'

export const definerTrigger = bySql(
  {
    stem: 'definer-trigger',
    level: 'warning',
    title: 'A trigger of a protected table runs with rights that pass every policy',
    gain: 'A tenant’s own insert or update runs the function on values that the tenant chose, and the function reads and writes the rows of all.',
    scope: 'database',
  },
  `${withFunctions}
   select format('%I on %s', g.tgname, m.name) as object,
          format('The trigger %I on %s calls %s, which runs with the rights of %I%s.', g.tgname, m.name, f.name, o.rolname,
            case when o.rolsuper or o.rolbypassrls then ', for whom no policy holds' else ', who issues capabilities or becomes the owner' end) as problem,
          format('alter function %s owner to ${roles.owner};', f.name) as fix,
          'administrator' as "fixAs"
     from pg_catalog.pg_trigger as g
     join members as m on m.oid = g.tgrelid and m.is_protected
     join functions as f on f.oid = g.tgfoid and f.is_definer
     join pg_catalog.pg_roles as o on o.oid = f.owner
    where not g.tgisinternal and g.tgenabled <> 'D' and (o.rolsuper or o.rolbypassrls or o.rolname in ('${roles.gatekeeper}', '${roles.migrator}'))
    order by 1`,
)
