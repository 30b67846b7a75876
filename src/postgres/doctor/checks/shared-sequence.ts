// A column that counts in a sequence which several tenants' rows take their numbers from. Who may read or set it, sequence-privileges asks.

import { bySql } from '../check.ts'
import { withWalled } from '../walled.ts'

export const sharedSequence = bySql(
  {
    stem: 'shared-sequence',
    level: 'warning',
    title: 'A column of a protected table counts for all tenants together',
    gain: 'Two rows made a day apart tell how many rows all tenants made in between; and numbers of others’ rows can be tried one after the other.',
    scope: 'database',
  },
  `${withWalled}, counted (oid, attnum, sequence, is_identity) as (
     select t.oid, a.attnum, d.objid, true
       from guarded as t
       join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attidentity <> '' and not a.attisdropped
       join pg_catalog.pg_depend as d on d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = t.root and d.deptype = 'i'
       join pg_catalog.pg_attribute as of_root on of_root.attrelid = t.root and of_root.attnum = d.refobjsubid and of_root.attname = a.attname
       join pg_catalog.pg_class as s on s.oid = d.objid and s.relkind = 'S'
     union all
     -- nextval() of a text knows its sequence when it runs.
     select t.oid, f.adnum, s.oid, false
       from guarded as t
       join pg_catalog.pg_attrdef as f on f.adrelid = t.oid
       left join pg_catalog.pg_depend as d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass and d.deptype = 'n'
       left join pg_catalog.pg_class as s on s.oid = d.refobjid and s.relkind = 'S'
      where s.oid is not null or pg_get_expr(f.adbin, f.adrelid) ~ 'nextval\\('
   )
   select format('%s.%I', t.name, a.attname) as object,
          format('%I of %s counts in %s, for all tenants together.', a.attname, t.name,
            coalesce(quote_ident(n.nspname) || '.' || quote_ident(s.relname), 'a sequence that is looked up by name')) as problem,
          format('alter table %s alter column %I drop %s;', t.name, a.attname, case when counted.is_identity then 'identity' else 'default' end) as fix
     from counted
     join guarded as t on t.oid = counted.oid
     join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attnum = counted.attnum
     left join pg_catalog.pg_class as s on s.oid = counted.sequence
     left join pg_catalog.pg_namespace as n on n.oid = s.relnamespace
     -- In a schema of its own a tenant has its own sequences as well. A partition counts as its root does.
    where (t.is_shared or (n.nspname is distinct from t.schema and not exists (select from partywall.logins)))
      and (t.oid = t.root or not exists (select from counted as r join pg_catalog.pg_attribute as b on b.attrelid = r.oid and b.attnum = r.attnum
                                          where r.oid = t.root and b.attname = a.attname))
    order by 1`,
)
