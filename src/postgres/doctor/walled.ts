// Protected tables with all that belongs to them, and whether their keys are one for several tenants.

import { withGrants } from './grants.ts'

/**
 * As `withGrants`, and
 * `walled` (oid, root): each protected table, and its partitions and children, each of which has indexes of its own;
 * `guarded` (oid, schema, name, kind, root, root_name, tenant_column, tenant_attnum, is_shared, is_written, persistence, identity): the same
 * with what is known of them. `tenant_attnum` is the table's own number of the column; `is_shared`: rows of several tenants may be in it,
 * so not in a schema or a database that is one tenant's own; `is_written`: a login may insert or update.
 */
export const withWalled = `${withGrants}, walled (oid, root) as (
  select m.oid, m.oid from members as m where m.is_protected
  union
  select m.oid, w.root
    from walled as w
    join pg_catalog.pg_inherits as i on i.inhparent = w.oid
    join members as m on m.oid = i.inhrelid and not m.is_protected
), guarded as (
  select m.oid, m.schema, m.name, m.kind, w.root, root.name as root_name, root.tenant_column, a.attnum as tenant_attnum,
         c.relpersistence as persistence, c.relreplident as identity,
         not exists (select from partywall.logins) and m.schema not in (select g.schema_name from partywall.gates as g where g.schema_name is not null) as is_shared,
         w.root in (select g.oid from grants as g where g.privilege in ('INSERT', 'UPDATE'))
           or m.oid in (select g.oid from grants as g where g.privilege in ('INSERT', 'UPDATE')) as is_written
    from walled as w
    join members as m on m.oid = w.oid
    join members as root on root.oid = w.root
    join pg_catalog.pg_class as c on c.oid = m.oid
    join pg_catalog.pg_attribute as a on a.attrelid = m.oid and a.attname = root.tenant_column and not a.attisdropped
)`
