// Event triggers that no extension brought. partywall has none.

import { bySql } from '../check.ts'
import { withFunctions } from '../functions.ts'

export const foreignEventTrigger = bySql(
  {
    stem: 'foreign-event-trigger',
    level: 'note',
    title: 'An event trigger runs in every change of the schema',
    gain: 'Its function runs with the rights of whoever migrates, of a superuser too: whoever may change the function has them.',
    scope: 'database',
  },
  `${withFunctions}
   select quote_ident(e.evtname) as object,
          format('The event trigger %I calls %I.%I at %s; the function is owned by %I%s.', e.evtname, n.nspname, p.proname, e.evtevent, o.rolname,
            case when o.rolsuper then '' else ', who is not a superuser and may have another’s rights by it' end) as problem,
          format('drop event trigger %I;', e.evtname) as fix,
          'administrator' as "fixAs",
          case when o.rolsuper then 'note' else 'warning' end as level
     from pg_catalog.pg_event_trigger as e
     join pg_catalog.pg_proc as p on p.oid = e.evtfoid
     join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
     join pg_catalog.pg_roles as o on o.oid = p.proowner
    where e.evtenabled <> 'D'
      and not exists (select from extension_parts as x where x.classid = 'pg_event_trigger'::regclass and x.objid = e.oid)
      and not exists (select from extension_parts as x where x.classid = 'pg_proc'::regclass and x.objid = p.oid)
    order by 1`,
)
