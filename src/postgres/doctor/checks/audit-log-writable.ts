// Tenants' audit logs that somebody besides the owner can write, and triggers for changes that do not fire.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

export const auditLogWritable = bySql(
  {
    stem: 'audit-log-writable',
    level: 'error',
    title: 'Somebody besides partywall_owner can write tenants’ audit logs, or changes are not recorded',
    gain: 'Who can write the log can remove what he did from it, or put there what nobody did. The chain shows it only to whoever verifies.',
    scope: 'database',
  },
  // Applications have tables of these names, too.
  `${withGrantees}, audit as (
     select c.oid, format('%I.%I', n.nspname, c.relname) as name, c.relname, c.relowner, c.relacl
       from pg_catalog.pg_class as c
       join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
      where c.relname in ('audit_log', 'audit_outbox') and c.relkind in ('r', 'p')
        and exists (
          select from pg_catalog.pg_attribute as a
           where a.attrelid = c.oid and not a.attisdropped
             and a.attname = case c.relname when 'audit_log' then 'hash' else 'entry' end
        )
   ), given as (
     select u.oid, u.name, u.relname, u.relowner, acl.grantee, acl.privilege_type from audit as u cross join lateral aclexplode(u.relacl) as acl
     union all
     select u.oid, u.name, u.relname, u.relowner, acl.grantee, acl.privilege_type
       from audit as u
       join pg_catalog.pg_attribute as a on a.attrelid = u.oid and a.attacl is not null
      cross join lateral aclexplode(a.attacl) as acl
   ), writable as (
     select t.name, t.grantee, g.grantee is not null as is_in_reach,
            case t.grantee when 0 then 'public' else format('%I', (select r.rolname from pg_catalog.pg_roles as r where r.oid = t.grantee)) end as who,
            string_agg(distinct t.privilege_type, ', ') as privileges
       from given as t
       left join (select distinct g.oid as grantee from grantees as g) as g on g.grantee = t.grantee
      -- Each tenant may read its own log; the outbox is nobody's.
      where t.grantee <> t.relowner and not (t.relname = 'audit_log' and t.privilege_type = 'SELECT')
      group by t.name, t.grantee, g.grantee
   )
   select format('%s for %s', w.name, w.who) as object,
          format('%s has %s on %s.', case w.grantee when 0 then 'Every role' else w.who end, w.privileges, w.name) as problem,
          format('revoke %s on %s from %s;', lower(w.privileges), w.name, w.who) as fix,
          'owner' as "fixAs", true as "isFixSafe", case when w.is_in_reach then 'error' else 'warning' end as level
     from writable as w
   union all
   select u.name, format('%s belongs to %s, who can write and drop it.', u.name, r.rolname),
          format('alter table %s owner to ${roles.owner};', u.name), 'administrator', false, 'error'
     from audit as u
     join pg_catalog.pg_roles as r on r.oid = u.relowner
    where r.rolname <> '${roles.owner}'
   union all
   select format('%I.%I', n.nspname, c.relname), format('Changes of %I.%I are to be in the audit log, and its trigger %I is disabled.', n.nspname, c.relname, t.tgname),
          format('alter table %I.%I enable trigger %I;', n.nspname, c.relname, t.tgname), 'owner', true, 'warning'
     from pg_catalog.pg_depend as d
     join pg_catalog.pg_trigger as t on t.oid = d.objid and t.tgenabled in ('D', 'R')
     join pg_catalog.pg_class as c on c.oid = t.tgrelid
     join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where d.refclassid = 'pg_catalog.pg_proc'::regclass and d.classid = 'pg_catalog.pg_trigger'::regclass
      and d.refobjid = (
        select p.oid from pg_catalog.pg_proc as p where p.pronamespace = 'partywall'::regnamespace and p.proname = 'record_change'
      )
    order by 1`,
)
