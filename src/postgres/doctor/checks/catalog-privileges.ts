// PostgreSQL’s own catalogs: some are closed because they hold passwords or samples of rows, and none is there to be written.

import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

export const catalogPrivileges = bySql(
  {
    stem: 'catalog-privileges',
    level: 'error',
    title: 'The application has more on PostgreSQL’s catalogs than everybody has',
    gain: 'Values of every tenant’s rows are in pg_statistic, passwords in pg_authid, those for other servers in pg_user_mapping; writing to a catalog is writing to everything.',
    scope: 'database',
  },
  `${withGrantees}
   select format('pg_catalog.%I for %s', c.relname, g.name) as object,
          format('%s has %s on pg_catalog.%I.', case g.oid when 0 then 'Every role' else g.name end,
            string_agg(acl.privilege_type, ', ' order by acl.privilege_type), c.relname) as problem,
          format('revoke %s on pg_catalog.%I from %s;', lower(string_agg(acl.privilege_type, ', ' order by acl.privilege_type)), c.relname, g.name) as fix,
          'administrator' as "fixAs", true as "isFixSafe"
     from pg_catalog.pg_class as c
    cross join lateral aclexplode(c.relacl) as acl
     join grantees as g on g.oid = acl.grantee
    where c.relnamespace = 'pg_catalog'::regnamespace and c.oid < 16384
      and case acl.privilege_type
            when 'SELECT' then c.relname in ('pg_authid', 'pg_shadow', 'pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject', 'pg_user_mapping',
              'pg_subscription', 'pg_hba_file_rules', 'pg_ident_file_mappings', 'pg_file_settings', 'pg_backend_memory_contexts', 'pg_shmem_allocations')
            when 'UPDATE' then c.relname <> 'pg_settings'
            else true end
    group by c.relname, g.oid, g.name
    order by 1`,
)
