// What the application's logins were given, read from the privileges as they are stored: one pass over the catalogs, however many
// tables there are. A superuser, or a role that reads everything, needs no grant: checks of roles find those.

import { withTables } from './reach.ts'

/**
 * As `withTables`, and
 * `entered` (schema): schemas that a login may enter, PostgreSQL's and partywall's own left out;
 * `grants` (oid, privilege, grantee): on tables, views, materialized and foreign tables in them, or on one of their columns. `grantee` is
 * ready for SQL;
 * `extension_parts` (classid, objid): what an extension brought.
 */
export const withGrants = `${withTables}, takers (oid, name) as (
  select distinct r.oid, format('%I', r.rolname) from reach join pg_catalog.pg_roles as r on r.oid = reach.role
  union all
  select 0::oid, 'public'
), entered (schema) as (
  select distinct n.oid
    from pg_catalog.pg_namespace as n
   cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as acl
    join takers on takers.oid = acl.grantee
   where acl.privilege_type = 'USAGE'
     and n.nspname not in ('pg_catalog', 'information_schema', 'partywall') and n.nspname !~ '^pg_'
), grants (oid, privilege, grantee) as (
  select c.oid, acl.privilege_type, takers.name
    from entered
    join pg_catalog.pg_class as c on c.relnamespace = entered.schema and c.relkind in ('r', 'p', 'v', 'm', 'f')
   cross join lateral aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) as acl
    join takers on takers.oid = acl.grantee
  union
  select c.oid, acl.privilege_type, takers.name
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_class as c on c.oid = a.attrelid
    join entered on entered.schema = c.relnamespace
   cross join lateral aclexplode(a.attacl) as acl
    join takers on takers.oid = acl.grantee
   where a.attacl is not null and c.relkind in ('r', 'p', 'v', 'm', 'f')
), extension_parts (classid, objid) as (
  select d.classid, d.objid from pg_catalog.pg_depend as d where d.deptype = 'e'
)`
