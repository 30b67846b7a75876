// Whom the application's SQL can be, and what is in its reach. Begins of statements whose `$1` is the app's login.

import { roles } from '../roles.ts'

/**
 * `with recursive` of two tables. `logins` (oid, rolname): the app's login and tenants' own. `reach` (login, role): every role each of them
 * can become or has the privileges of, itself included. https://www.postgresql.org/docs/current/role-membership.html
 */
export const withReach = `
with recursive logins as (
  select r.oid, r.rolname
    from pg_catalog.pg_roles as r
   where r.rolname = $1::name
      or (r.rolcanlogin and exists (
           select from pg_catalog.pg_auth_members as m join pg_catalog.pg_roles as g on g.oid = m.roleid
            where m.member = r.oid and g.rolname = '${roles.tenants}'))
), reach (login, role) as (
  select l.oid, l.oid from logins as l
  union
  select reach.login, m.roleid from reach join pg_catalog.pg_auth_members as m on m.member = reach.role
)`

/**
 * As `withReach`, and `members` (oid, schema, name, kind, tenant_column, is_protected, is_global): the application's tables, partitions
 * included. `name` is quoted and with its schema; `tenant_column` is null for what is not protected.
 */
export const withTables = `${withReach}, members as (
  select c.oid, n.nspname as schema, format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind, c.relispartition as is_partition,
         p.tenant_column, p.table_name is not null as is_protected, g.table_name is not null as is_global
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    -- By name: to_regclass() refuses whoever may not enter the schema, and the doctor may enter no tenant's.
    left join partywall.protected_tables as p on p.table_name = format('%I.%I', n.nspname, c.relname)
    left join partywall.global_tables as g on g.table_name = format('%I.%I', n.nspname, c.relname)
   where c.relkind in ('r', 'p') and c.relpersistence <> 't'
     and n.nspname not in ('pg_catalog', 'information_schema', 'partywall') and n.nspname !~ '^pg_'
)`
