// Logins that are not partywall’s and see every row: for whoever asks who can. The first superuser of the server is left out.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'

export const whoSeesAll = bySql(
  {
    stem: 'who-sees-all',
    level: 'note',
    title: 'Another login of the server sees every tenant’s rows',
    gain: 'No tenant gains by it; whoever has the password reads everything, and no policy records it.',
    scope: 'server',
  },
  `with recursive can_be (login, role) as (
     select r.oid, r.oid from pg_catalog.pg_roles as r
      -- 10 is the superuser that the server was made with.
      where r.rolcanlogin and r.oid <> 10 and r.rolname not in ($1::name, '${roles.migrator}', '${roles.gatekeeper}')
     union
     select c.login, m.roleid from can_be as c join pg_catalog.pg_auth_members as m on m.member = c.role
   )
   select l.rolname::text as object,
          format('%I sees every tenant’s rows: it is or can become %s.', l.rolname,
            string_agg(case when p.rolsuper then 'a superuser' when p.rolbypassrls then 'a role with BYPASSRLS' when p.rolreplication then 'a role with REPLICATION'
              else quote_ident(p.rolname) end, ', ' order by p.rolname)) as problem,
          null::text as fix, 'administrator' as "fixAs"
     from can_be as c
     join pg_catalog.pg_roles as l on l.oid = c.login
     join pg_catalog.pg_roles as p on p.oid = c.role
    where p.rolsuper or p.rolbypassrls or p.rolreplication
       or p.rolname in ('${roles.owner}', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
    group by l.rolname
    order by 1`,
)
