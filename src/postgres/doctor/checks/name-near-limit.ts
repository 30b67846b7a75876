// Names of 60 bytes and more. PostgreSQL cuts names at 63 bytes, and says so in a notice that nobody reads.

import { bySql } from '../check.ts'
import { withTables } from '../reach.ts'

export const nameNearLimit = bySql(
  {
    stem: 'name-near-limit',
    level: 'note',
    title: 'A name is so long that PostgreSQL cuts it, or nearly',
    gain: 'Two names that differ only after 63 bytes are one: what was made for one tenant, or as a second wall, is the other’s, or was never made.',
    scope: 'database',
  },
  `${withTables}, homes (oid, schema) as (
     select distinct n.oid, m.schema from members as m join pg_catalog.pg_namespace as n on n.nspname = m.schema where m.is_protected
   ), named (object, kind, name) as (
     select format('schema %I', homes.schema), 'schema', homes.schema::text from homes
     union all
     select m.name, 'table', c.relname::text
       from members as m join pg_catalog.pg_class as c on c.oid = m.oid where m.schema in (select homes.schema from homes)
     union all
     select format('%s.%I', m.name, a.attname), 'column', a.attname::text
       from members as m join pg_catalog.pg_attribute as a on a.attrelid = m.oid and a.attnum > 0 and not a.attisdropped where m.is_protected
     union all
     select format('policy %I on %s', p.polname, m.name), 'policy', p.polname::text
       from members as m join pg_catalog.pg_policy as p on p.polrelid = m.oid
     union all
     select format('function %I.%I(%s)', homes.schema, f.proname, pg_get_function_identity_arguments(f.oid)), 'function', f.proname::text
       from homes join pg_catalog.pg_proc as f on f.pronamespace = homes.oid
      where octet_length(f.proname::text) >= 60
        and not exists (select from pg_catalog.pg_depend as e where e.classid = 'pg_proc'::regclass and e.objid = f.oid and e.deptype = 'e')
   )
   select named.object,
          format('The %s''s name has %s bytes%s.', named.kind, octet_length(named.name),
            case when length.is_cut then ', as many as there can be: the rest of it may have been cut off' else ': a few more and it is cut' end) as problem,
          null as fix,
          case when length.is_cut then 'warning' else 'note' end as level
     from named
    -- What does not fit is cut at a character, and one has up to four bytes.
    cross join lateral (select octet_length(named.name) = 63 or (octet_length(named.name) > length(named.name) and octet_length(named.name) >= 60) as is_cut) as length
    where octet_length(named.name) >= 60
    order by 1`,
)
