// What is not as it must be with a database and a login of one tenant's own, as their server and the database itself say.

import type { PlacedTenant, PlacementFinding } from '../../core/placement-adapter.ts'
import { bootFindings } from '../boot-gate.ts'
import { loginSearchPath, roles } from '../roles.ts'
import { type PlacementSite, told } from './placement-site.ts'

export async function ownDatabaseFindings(site: PlacementSite, tenant: PlacedTenant): Promise<readonly PlacementFinding[]> {
  const { server, database } = tenant.placement
  return await told(async () => {
    const outside = await site.connections.asAdministrator(server, (admin) =>
      admin.query<PlacementFinding>([databaseRules, loginRules, elsewhereRules].join('\nunion all\n'), [
        database,
        roles.migrator,
        roles.tenants,
        `search_path=${loginSearchPath}`,
      ]),
    )
    const inside = await site.connections.asMigrator(database, async (control) => [
      ...(await control.query<PlacementFinding>(tenantRules, [database, tenant.id])),
      ...(await bootFindings(control, database)),
    ])
    return [...outside, ...inside]
  })
}

// $1 the database, which is also the login; $2 the migrator, $3 the group of tenants' logins, $4 the login's search path.

const databaseRules = `
  select 'database_missing' as rule, $1::text as object, 'The database is not there.' as problem, null::text as fix
   where not exists (select from pg_catalog.pg_database as d where d.datname = $1::name)
  union all
  select 'database_privilege', d.datname::text,
         format('%s has %s on the database, which is another''s own.', coalesce((select quote_ident(r.rolname) from pg_catalog.pg_roles as r where r.oid = acl.grantee), 'PUBLIC'), acl.privilege_type),
         format('revoke %s on database %I from %s;', lower(acl.privilege_type), d.datname,
           coalesce((select quote_ident(r.rolname) from pg_catalog.pg_roles as r where r.oid = acl.grantee), 'public'))
    from pg_catalog.pg_database as d
   cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) as acl
   where d.datname = $1::name
     and acl.grantee <> d.datdba
     and not (acl.privilege_type = 'CONNECT' and acl.grantee in (select r.oid from pg_catalog.pg_roles as r where r.rolname in ($1::name, $2::name)))
     and not (acl.privilege_type <> 'CONNECT' and acl.grantee = '${roles.owner}'::regrole)`

const loginRules = `
  select 'login_missing', $1::text, 'The login is not there, or may not log in.', null
   where not exists (select from pg_catalog.pg_roles as r where r.rolname = $1::name and r.rolcanlogin)
  union all
  select 'login_membership', m.rolname::text, format('The tenant''s login is a member of %I.', m.rolname), format('revoke %I from %I;', m.rolname, $1::name)
    from pg_catalog.pg_roles as a
    join pg_catalog.pg_auth_members as am on am.member = a.oid
    join pg_catalog.pg_roles as m on m.oid = am.roleid
   where a.rolname = $1::name and m.rolname <> $3::name
  union all
  select 'login_membership', a.rolname::text, format('The tenant''s login is not a member of %I: it may read no table.', $3::name), format('grant %I to %I;', $3::name, $1::name)
    from pg_catalog.pg_roles as a
   where a.rolname = $1::name and not pg_has_role(a.oid, $3::name, 'usage')
  union all
  select 'login_borrowed', m.rolname::text, format('%I is a member of the tenant''s login and can act as it.', m.rolname), format('revoke %I from %I;', $1::name, m.rolname)
    from pg_catalog.pg_roles as a
    join pg_catalog.pg_auth_members as am on am.roleid = a.oid
    join pg_catalog.pg_roles as m on m.oid = am.member
   where a.rolname = $1::name and not m.rolsuper and not m.rolcreaterole
  union all
  select 'search_path', a.rolname::text, 'The tenant''s login begins with another search_path than the application''s.', format('alter role %I set %s;', a.rolname, replace($4::text, '=', ' = '))
    from pg_catalog.pg_roles as a
   where a.rolname = $1::name and not coalesce($4::text = any (a.rolconfig), false)`

/** PostgreSQL lets PUBLIC into every database, unless it is told not to. */
const elsewhereRules = `
  select 'connect_elsewhere', d.datname::text, format('The tenant''s login may connect to the database %I.', d.datname),
         format('revoke connect on database %I from public, %I;', d.datname, $1::name)
    from pg_catalog.pg_database as d
    join pg_catalog.pg_roles as r on r.rolname = $1::name
   where d.datallowconn and d.datname <> $1::name and has_database_privilege(r.oid, d.oid, 'connect')`

const tenantRules = `
  select 'login_tenant' as rule, $1::text as object, 'The database does not say that the login is this tenant''s.' as problem,
         format('insert into partywall.logins (login, tenant_id) values (%L, %L);', $1::text, $2::uuid) as fix
   where not exists (select from partywall.logins as l where l.login = $1::name and l.tenant_id = $2::uuid)
  union all
  select 'stranger', coalesce(l.login::text, g.tenant_id::text), 'Another tenant has a gate or a login in the database, which is one tenant''s alone.', null
    from partywall.gates as g
    full join partywall.logins as l on l.tenant_id = g.tenant_id
   where (g.tenant_id <> $2::uuid and g.tenant_id > '00000000-0000-0000-0000-0000000000ff') or l.login <> $1::name`
