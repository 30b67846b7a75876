-- Statements of migrations that touch the rows of all tenants.
-- Row-level security is forced: it holds for the owner too, so that an UPDATE in a migration, or the check of a new foreign key, finds
-- no tenant bound and is refused. This is the one way around, for the owner alone, and it never outlives its transaction.

-- Runs a statement as the owner whom the policies of these tables do not hold. Security invoker: PostgreSQL itself demands that the
-- caller owns the tables. They are locked until the end of the transaction.
create function partywall.across_tenants(statement text, variadic tables regclass[]) returns bigint
language plpgsql volatile
as $fn$
declare
  target regclass;
  forced regclass[];
  touched bigint;
begin
  forced := array(
    select c.oid::pg_catalog.regclass from pg_catalog.pg_class as c where c.oid operator(pg_catalog.=) any (tables) and c.relforcerowsecurity order by c.oid
  );
  foreach target in array forced loop
    execute pg_catalog.format('alter table %s no force row level security', partywall.table_name(target));
  end loop;
  -- No tenant is bound, so that no tenant's audit log can be told: what a migration changes is in the ledger of migrations.
  perform pg_catalog.set_config('partywall.audit_changes', 'off', true);
  execute statement;
  get diagnostics touched = row_count;
  perform pg_catalog.set_config('partywall.audit_changes', '', true);
  -- An error rolls all of it back, the first half too.
  foreach target in array forced loop
    execute pg_catalog.format('alter table %s force row level security', partywall.table_name(target));
  end loop;
  return touched;
end
$fn$;
comment on function partywall.across_tenants(text, regclass[]) is
  'In a migration: runs a statement over the rows of all tenants in these tables, which are locked until its transaction ends. Returns the number of rows.';
revoke execute on function partywall.across_tenants(text, regclass[]) from public;
