// Triggers that were switched off: partywall's own, those that guard what replication applies, and those that check foreign keys.

import { bySql } from '../check.ts'
import { parts } from '../protected-parts.ts'
import { withTables } from '../reach.ts'

export const disabledTrigger = bySql(
  {
    stem: 'disabled-trigger',
    level: 'warning',
    title: 'A trigger that partywall or a foreign key relies on is switched off or missing',
    gain: 'What the trigger refuses goes through: rows of another tenant while one moves, keys to rows that are not there, changes of the audit trail.',
    scope: 'database',
  },
  `${withTables}, ${parts}
   select format('%I on partywall.%I', t.tgname, c.relname) as object,
          format('The trigger %I on partywall.%I does not fire as it was made to.', t.tgname, c.relname) as problem,
          format('alter table partywall.%I enable trigger %I;', c.relname, t.tgname) as fix,
          true as "isFixSafe"
     from pg_catalog.pg_class as c
     join pg_catalog.pg_trigger as t on t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled <> 'O'
    where c.relnamespace = 'partywall'::regnamespace
   union all
   select format('replication guard of %s', m.name),
          format('The guard of %s against replicated rows of other tenants is missing, was changed or is switched off.', m.name),
          format('select partywall.guard_applied_rows(%L, %L);', m.name, m.tenant_column), true
     from members as m
    where m.is_protected and m.schema = 'app'
      and (select count(*) from pg_catalog.pg_trigger as t
             join pg_catalog.pg_proc as f on f.oid = t.tgfoid and f.pronamespace = 'partywall'::regnamespace and f.proname = 'refuse_applied_row'
            where t.tgrelid = m.oid and t.tgenabled = 'R' and pg_get_triggerdef(t.oid) ~ 'current_setting\\(''partywall\\.applies_'
              and t.tgname in ('partywall_guard_insert', 'partywall_guard_update', 'partywall_guard_delete')) < 3
   union all
   select format('foreign keys of %s', p.name),
          format('Foreign keys of %s are not checked: their triggers are switched off (%s).', p.name, string_agg(distinct coalesce(k.conname, 'all'), ', ')),
          format('alter table %s enable trigger all;', p.name), false
     from parts as p
     join pg_catalog.pg_trigger as t on t.tgrelid = p.oid and t.tgisinternal and t.tgenabled = 'D'
     join pg_catalog.pg_constraint as k on k.oid = t.tgconstraint and k.contype = 'f'
    group by p.name
    order by 1`,
)
