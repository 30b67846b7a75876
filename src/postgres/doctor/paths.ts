// Where the application's statements find a name that has no schema.

import { withFunctions } from './functions.ts'

/**
 * As `withFunctions`, and `paths` (setting, ord, schema, has_catalog_after): the schemas of each search_path that a login begins with, in
 * their order; `has_catalog_after`: pg_catalog is named behind the schema, where it would else be looked into first. What is bound to a
 * tenant's own schema has that schema alone. https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-CATALOG
 */
export const withPaths = `${withFunctions}, path_settings (setting) as (
  select distinct coalesce(
           (select substr(said.setting, length('search_path=') + 1)
              from pg_catalog.pg_db_role_setting as s
              join pg_catalog.pg_database as d on d.datname = current_database()
             cross join lateral unnest(s.setconfig) as said (setting)
             where s.setrole in (0, l.oid) and s.setdatabase in (0, d.oid) and said.setting like 'search_path=%'
             order by s.setrole = 0, s.setdatabase = 0
             limit 1),
           'public')
    from logins as l
), path_names (setting, ord, name) as (
  select s.setting, w.ord, btrim(w.word, ' "')
    from path_settings as s
   cross join lateral unnest(string_to_array(s.setting, ',')) with ordinality as w (word, ord)
), paths (setting, ord, schema, has_catalog_after) as (
  select p.setting, min(p.ord), n.oid, bool_or(exists (
           select from path_names as later where later.setting = p.setting and later.name = 'pg_catalog' and later.ord > p.ord))
    from path_names as p
    join pg_catalog.pg_namespace as n on n.nspname = p.name and n.nspname !~ '^pg_'
   group by p.setting, n.oid
)`
