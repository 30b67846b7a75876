// Protected tables, and what their rows lie in.

/** SQL of `parts` (oid, root, name, tenant_column), to be put after `members`: protected tables and all their partitions and children. */
export const parts = `parts (oid, root, name, tenant_column) as (
  select m.oid, m.oid, m.name, m.tenant_column from members as m where m.is_protected
  union
  select m.oid, p.root, m.name, p.tenant_column
    from parts as p
    join pg_catalog.pg_inherits as i on i.inhparent = p.oid
    join members as m on m.oid = i.inhrelid
)`
