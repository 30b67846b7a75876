// Who could see every row: roles of a server for whom policies do not hold, or who can make themselves one for whom they do not.

import type { RoleWithPath } from '../../evidence/facts.ts'
import type { ControlConnection } from '../control-pool.ts'
import { roles } from '../roles.ts'

/**
 * Superusers, roles that bypass policies or own the tables, those that read all files or tables, and everybody who can become one of them.
 * Logins that run the application's statements, the shared one and tenants' own, are said to be the application's: none should be here.
 */
export async function rolesWithAPath(control: ControlConnection): Promise<readonly RoleWithPath[]> {
  return await control.query<RoleWithPath>(
    `with recursive seers (oid, path) as (
       select r.oid,
              case when r.rolsuper then 'superuser'
                   when r.rolbypassrls then 'bypasses policies'
                   when r.rolname = $1 then 'owns the tables; policies hold for it until it lifts them'
                   else 'reads or writes past privileges' end
         from pg_catalog.pg_roles as r
        where r.rolsuper or r.rolbypassrls or r.rolname = $1
           or r.rolname in ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
       union
       select m.member, 'can become ' || g.rolname::text collate "default"
         from seers as s
         join pg_catalog.pg_auth_members as m on m.roleid = s.oid
         join pg_catalog.pg_roles as g on g.oid = s.oid
     )
     select r.rolname::text as role, r.rolcanlogin as "canLogIn",
            case when r.rolname = $2
                   or exists (
                        select from pg_catalog.pg_auth_members as m
                          join pg_catalog.pg_roles as g on g.oid = m.roleid
                         -- Who made the group administers it, and is no member.
                         where m.member = r.oid and g.rolname = $3 and not m.admin_option)
                 then 'application: ' else '' end || string_agg(distinct s.path, ', ' order by s.path) as path
       from seers as s
       join pg_catalog.pg_roles as r on r.oid = s.oid
      where r.rolname !~ '^pg_'
      group by r.oid, r.rolname, r.rolcanlogin
      order by r.rolcanlogin desc, 1`,
    [roles.owner, roles.app, roles.tenants],
  )
}
