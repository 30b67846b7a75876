// Tables beside the protected ones: what is in them stays behind.

import { inEachPlace, type MoveCheck, type Said } from '../check.ts'

export const unprotectedTables: MoveCheck = {
  rule: 'unprotected-tables',
  level: 'refuse',
  check: (survey) =>
    inEachPlace(survey, async (place) => [
      ...(await place.query<Said>(
        `select case when a.attname is null then 'warn' end as level, partywall.table_name(c.oid) as object,
                case when a.attname is null
                  then 'The table is neither protected nor declared global: it does not move, and nobody has said that it need not.'
                  else format('The table has a column %I, but is not protected: its rows would stay behind.', a.attname) end as problem,
                case when a.attname is not null then format('select partywall.protect(%L, %L);', partywall.table_name(c.oid), a.attname) end as fix
           from pg_catalog.pg_class as c
           left join lateral (
                  select a.attname
                    from pg_catalog.pg_attribute as a
                   where a.attrelid = c.oid and not a.attisdropped
                     and (a.attname = 'tenant_id' or a.attname in (select p.tenant_column from partywall.protected_tables as p))
                   order by a.attnum limit 1
                ) as a on true
          where c.relnamespace = to_regnamespace(quote_ident($1)) and c.relkind in ('r', 'p') and not c.relispartition
            and not exists (select from partywall.protected_tables as p where p.table_name = partywall.table_name(c.oid))
            and not exists (select from partywall.global_tables as g where g.table_name = partywall.table_name(c.oid))
          order by 2`,
        [place.placement.schema],
      )),
      // Of shared tables those of one schema move. A database of the tenant's own has no others than the tenant's.
      ...(await place.query<Said>(
        `select p.table_name as object, format('The table is protected, but is not in the schema %s: its rows would stay behind.', $1::text) as problem,
                format('alter table %s set schema %I; update partywall.protected_tables as p set table_name = %L where p.table_name = %L;',
                  p.table_name, $1::text, $1::text || substr(p.table_name, strpos(p.table_name, '.')), p.table_name) as fix
           from partywall.protected_tables as p
          where $2::text is null and p.table_name !~ '^t_[0-9a-f]{24}[.]' and not starts_with(p.table_name, $1::text || '.')
            and to_regclass(p.table_name) is not null
          order by 1`,
        [place.placement.schema, place.ownSchema ?? null],
      )),
    ]),
}
