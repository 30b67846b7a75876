// A trigger of a protected table whose function has other rights than the statement's. It is an error where no policy holds for them; a
// warning where it writes what it is given into a table that is not behind the wall.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'
import { withFunctions } from '../functions.ts'
import { parts } from '../protected-parts.ts'

export const definerTrigger = bySql(
  {
    stem: 'definer-trigger',
    level: 'error',
    title: 'A trigger of a protected table takes rows past the policies',
    gain: 'Whatever one tenant writes sets off code that reads and writes the rows of all, or that lays his rows where others read them.',
    scope: 'database',
  },
  `${withFunctions}, ${parts}
   , written (function, name) as (
     select f.oid, case when word.parts[1] ~ '^"' then btrim(word.parts[1], '"') else lower(word.parts[1]) end
       from functions as f
      cross join lateral regexp_matches(f.source,
              '\\m(?:insert\\s+into|merge\\s+into|update)\\s+(?:only\\s+)?(?:(?:[[:alnum:]_]+|"[^"]+")\\.)?([[:alnum:]_]+|"[^"]+")', 'gi') as word (parts)
      where f.is_definer and f.returns = 'trigger'::regtype
   ), copied (function, names) as (
     select w.function, string_agg(distinct m.name, ', ')
       from written as w
       join pg_catalog.pg_class as c on c.relname = w.name
       join members as m on m.oid = c.oid and not m.is_protected and not m.is_global
       left join parts as behind on behind.oid = m.oid
      where behind.oid is null
      group by w.function
   )
   select format('%I on %s', t.tgname, p.name) as object,
          format('The trigger %I on %s calls %s, which runs with the rights of %I%s.', t.tgname, p.name, f.name, o.rolname,
            case when beyond.policies then ', whom no policy holds' else format(' and writes to %s, which is not behind the wall', copied.names) end) as problem,
          format('alter function %s security invoker;', f.name) as fix,
          case when beyond.policies then 'error' else 'warning' end as level
     from parts as p
     join pg_catalog.pg_trigger as t on t.tgrelid = p.oid and not t.tgisinternal and t.tgparentid = 0 and t.tgenabled <> 'D'
     join functions as f on f.oid = t.tgfoid and f.is_definer
     join pg_catalog.pg_roles as o on o.oid = f.owner
     left join copied on copied.function = f.oid
    cross join lateral (select o.rolsuper or o.rolbypassrls or o.rolname in ('${roles.gatekeeper}', '${roles.migrator}') as policies) as beyond
    where beyond.policies or copied.names is not null
    order by 1`,
)
