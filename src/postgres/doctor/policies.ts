// The policies that are not partywall's own. Those are compared with what they must be by the check changed-policy.

import { withGrants } from './grants.ts'

/** Names of the policies that protect() makes. */
export const ownPolicies = '^partywall_(tenant|wall_(select|insert|update|delete))$'

/**
 * As `withGrants`, and
 * `guessed` (oid, tenant_column): of tables that are not protected, the column that has the name of a tenant column;
 * `policies` (oid, rel, object, name, table_name, command, is_permissive, roles, uses, checks, is_protected, is_global, is_reached,
 * tenant_column, remedy): `object` is what a finding is about; `remedy` is SQL that puts the table behind the wall in place of the policy,
 * or null where the table has no tenant column.
 */
export const withPolicies = `${withGrants}, guessed (oid, tenant_column) as (
  select m.oid, min(a.attname::text)
    from members as m
    join pg_catalog.pg_attribute as a on a.attrelid = m.oid and a.attnum > 0 and not a.attisdropped
   where not m.is_protected
     and a.attname::text in (select 'tenant_id' union select p.tenant_column from partywall.protected_tables as p)
   group by m.oid
), policies as (
  select p.oid, m.oid as rel, format('%I on %s', p.polname, m.name) as object, p.polname::text as name, m.name as table_name,
         p.polcmd::text as command, p.polpermissive as is_permissive, p.polroles as roles,
         pg_get_expr(p.polqual, p.polrelid) as uses, pg_get_expr(p.polwithcheck, p.polrelid) as checks,
         m.is_protected, m.is_global, exists (select from grants as g where g.oid = m.oid) as is_reached, t.tenant_column,
         format('drop policy %I on %s; select partywall.protect(%L, %L);', p.polname, m.name, m.name, t.tenant_column) as remedy
    from pg_catalog.pg_policy as p
    join members as m on m.oid = p.polrelid
    left join guessed on guessed.oid = m.oid
   cross join lateral (select coalesce(m.tenant_column, guessed.tenant_column) as tenant_column) as t
   where not (m.is_protected and p.polname ~ '${ownPolicies}')
     and not exists (select from extension_parts as e where e.classid = 'pg_class'::regclass and e.objid = m.oid)
)`
