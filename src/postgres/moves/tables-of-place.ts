// The tables of one place that hold tenants' rows, for queries about them.

/**
 * SQL of `tables`: the tables of a place that hold tenants' rows; and `members`: the same, and their partitions. $1 is the place's
 * `ownSchema`. `short` is the name that a table has in every place.
 */
export const withTables = `
  with tables as materialized (
    select c.oid, p.table_name as name, p.tenant_column::name as tenant_column, c.relkind,
           case when n.nspname = coalesce($1::text, 'app') then quote_ident(c.relname) else p.table_name end as short
      from partywall.protected_tables as p
      join pg_catalog.pg_class as c on c.oid = to_regclass(p.table_name)
      join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
     where case when $1::text is null then p.table_name !~ '^t_[0-9a-f]{24}[.]'
                else p.table_name >= $1 || '.' and p.table_name < $1 || '/' end
  ), members as materialized (
    select c.oid, partywall.table_name(c.oid) as name, t.oid as root, t.name as root_name, t.tenant_column, c.relkind, c.relpersistence, c.relreplident,
           a.attnum as tenant_attnum
      from tables as t
     cross join lateral (select t.oid union select part.relid from pg_partition_tree(t.oid) as part) as m (oid)
      join pg_catalog.pg_class as c on c.oid = m.oid
      left join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attname = t.tenant_column and not a.attisdropped
  )`
