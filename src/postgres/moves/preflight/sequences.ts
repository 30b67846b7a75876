// Numbers that a sequence gives are not replicated with it: at the other place it would begin anew, and give them again.

import { inEachPlace, type MoveCheck, type Said } from '../check.ts'
import { withTables } from '../tables-of-place.ts'

export const sequences: MoveCheck = {
  rule: 'sequences',
  level: 'refuse',
  check: (survey) =>
    inEachPlace(survey, async (place) => [
      ...(await place.query<Said>(
        `${withTables}
         select format('%s.%I', t.name, a.attname) as object,
                format('%I counts in a sequence, which is not replicated: after the switch it would give numbers that are taken. Use partywall.uuidv7(), or numbers of the application''s own.', a.attname) as problem,
                format('alter table %s alter column %I drop %s;', t.name, a.attname, case when a.attidentity <> '' then 'identity' else 'default' end) as fix
           from tables as t
           join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
           left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
          where a.attidentity <> '' or pg_get_expr(d.adbin, d.adrelid) ~* 'nextval\\('
          order by 1`,
        [place.ownSchema ?? null],
      )),
      // One that belongs to no column: the application asks it by name.
      ...(await place.query<Said>(
        `select 'warn' as level, partywall.table_name(c.oid) as object,
                'The sequence belongs to no column, and is not replicated: at the other place it stands where it stands. Set it there by hand if the tenant''s rows use its numbers.' as problem,
                null as fix
           from pg_catalog.pg_class as c
          where c.relnamespace = to_regnamespace(quote_ident($1)) and c.relkind = 'S'
            and not exists (select from pg_catalog.pg_depend as d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i'))
          order by 2`,
        [place.placement.schema],
      )),
    ]),
}
