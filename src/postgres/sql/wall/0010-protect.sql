-- protect(): puts a table behind the wall, or says why it cannot be and how to mend it.
-- Security invoker: it is called by whoever may alter the table, in a migration.

-- Many schemas are made of many tables, so these functions are quick: plpgsql keeps its plans for the session, where a function in SQL
-- that has a search_path of its own is planned anew in every statement that calls it. One plan serves every table, and it is one of
-- indexes: a session that planned while the catalogs were small would go on reading them whole when they have grown.

-- `schema.table`, quoted where it must be: the same text whatever the search_path.
create function partywall.table_name(target regclass) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $fn$
begin
  return (select format('%s.%I', c.relnamespace::regnamespace, c.relname) from pg_class as c where c.oid = target);
end
$fn$;

-- The type of a tenant column, or null for a type that cannot be one. Two spellings must never be one tenant (char(n), citext, collations
-- that are not deterministic), nor one spelling compare differently in two places: text is compared as bytes.
create function partywall.tenant_key_type(target regclass, tenant_column name) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $fn$
begin
  return (
    select case
             when a.atttypid = 'uuid'::regtype then 'uuid'
             when a.atttypid = 'bigint'::regtype then 'bigint'
             when a.atttypid = 'text'::regtype and a.attcollation = '"C"'::regcollation then 'text'
           end
      from pg_attribute as a
     where a.attrelid = target and a.attname = tenant_key_type.tenant_column and not a.attisdropped and a.attnum > 0
  );
end
$fn$;

-- The foreign keys out of a table and into it. pg_constraint has no index on the table that is referred to, and a database with a
-- thousand schemas has many constraints: those are found by what they depend on.
create function partywall.foreign_keys_of(target regclass) returns oid[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $fn$
begin
  return array(
    select k.oid from pg_constraint as k where k.conrelid = target and k.contype = 'f' and k.conparentid = 0
    union
    select k.oid
      from pg_depend as d
      join pg_constraint as k on k.oid = d.objid
     where d.refclassid = 'pg_class'::regclass
       and d.refobjid = target
       and d.classid = 'pg_constraint'::regclass
       and k.contype = 'f'
       and k.confrelid = target
       and k.conparentid = 0
  );
end
$fn$;

-- The tenant column of one end of a foreign key of `target`: of the other end, the one that it is protected by; before that, the
-- column that faces the target's tenant, since protecting the other table asks again.
create function partywall.tenant_column_of(rel regclass, target regclass, tenant_column name) returns name
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $fn$
begin
  return case when rel = target then tenant_column_of.tenant_column
           else coalesce(
             (select p.tenant_column::name from partywall.protected_tables as p where p.table_name = partywall.table_name(rel)),
             (
               select case when k.conrelid = rel then h.attname else t.attname end
                 from pg_constraint as k
                cross join lateral unnest(k.conkey, k.confkey) as pair (here, there)
                 join pg_attribute as h on h.attrelid = k.conrelid and h.attnum = pair.here
                 join pg_attribute as t on t.attrelid = k.confrelid and t.attnum = pair.there
                where k.oid = any (partywall.foreign_keys_of(target))
                  and ((k.conrelid = rel and k.confrelid = target and t.attname = tenant_column_of.tenant_column)
                    or (k.confrelid = rel and k.conrelid = target and h.attname = tenant_column_of.tenant_column))
                order by k.oid
                limit 1
             ),
             tenant_column_of.tenant_column) end;
end
$fn$;

-- The definition that a foreign key should have: the tenant first on both sides, the rest as it is. SET NULL and SET DEFAULT keep
-- away from the tenant (of an update they cannot, and become NO ACTION).
create function partywall.foreign_key_with_tenant(foreign_key oid, target regclass, tenant_column name) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select format('foreign key (%I%s) references %s (%I%s)', side.own, own.list, k.confrelid::regclass, side.other, other.list)
         || case k.confmatchtype when 'f' then ' match full' else '' end
         || case k.confupdtype when 'c' then ' on update cascade' when 'r' then ' on update restrict' else '' end
         || case k.confdeltype when 'c' then ' on delete cascade' when 'r' then ' on delete restrict'
              when 'n' then format(' on delete set null (%s)', set_by.list) when 'd' then format(' on delete set default (%s)', set_by.list) else '' end
         || case when k.condeferrable then ' deferrable' else '' end || case when k.condeferred then ' initially deferred' else '' end
    from pg_constraint as k,
         lateral (
           select partywall.tenant_column_of(k.conrelid, target, tenant_column) as own,
                  partywall.tenant_column_of(k.confrelid, target, tenant_column) as other
         ) as side,
         lateral (
           select coalesce(string_agg(', ' || quote_ident(a.attname), '' order by c.ord), '') as list
             from unnest(k.conkey) with ordinality as c (attnum, ord)
             join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = c.attnum
            where a.attname <> side.own
         ) as own,
         lateral (
           select coalesce(string_agg(', ' || quote_ident(a.attname), '' order by c.ord), '') as list
             from unnest(k.confkey) with ordinality as c (attnum, ord)
             join pg_attribute as a on a.attrelid = k.confrelid and a.attnum = c.attnum
            where a.attname <> side.other
         ) as other,
         lateral (
           select string_agg(quote_ident(a.attname), ', ' order by c.ord) as list
             from unnest(coalesce(k.confdelsetcols, k.conkey)) with ordinality as c (attnum, ord)
             join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = c.attnum
            where a.attname <> side.own
         ) as set_by
   where k.oid = foreign_key
);

-- SQL that puts the tenant first in a primary or unique key. Foreign keys that point at the key go and come back with the tenant.
create function partywall.key_with_tenant(key_constraint oid, tenant_column name) returns text
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select coalesce((select string_agg(format('alter table %s drop constraint %I; ', f.conrelid::regclass, f.conname), '' order by f.oid)
                     from pg_constraint as f where f.contype = 'f' and f.conparentid = 0 and f.conindid = k.conindid), '')
         || format('alter table %s drop constraint %I, add constraint %I %s;', k.conrelid::regclass, k.conname, k.conname,
              replace(pg_get_constraintdef(k.oid), '(' || listed.was || ')', format('(%I%s)', tenant_column, listed.rest)))
         || coalesce((select string_agg(format(' alter table %s add constraint %I %s;', f.conrelid::regclass, f.conname,
                               partywall.foreign_key_with_tenant(f.oid, k.conrelid, tenant_column)), '' order by f.oid)
                        from pg_constraint as f where f.contype = 'f' and f.conparentid = 0 and f.conindid = k.conindid), '')
    from pg_constraint as k,
         lateral (
           select string_agg(quote_ident(a.attname), ', ' order by c.ord) as was,
                  coalesce(string_agg(', ' || quote_ident(a.attname), '' order by c.ord) filter (where a.attname <> tenant_column), '') as rest
             from unnest(k.conkey) with ordinality as c (attnum, ord)
             join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = c.attnum
         ) as listed
   where k.oid = key_constraint
);

-- Is it a root that tables of tenants' own schemas are attached to while they move, and that nobody can use? It has no row and no index
-- of its own; row-level security without a policy shows nothing to anybody but replication's login; nobody has a privilege.
create function partywall.is_root_for_moves(target regclass) returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $fn$
begin
  return exists (
    select from pg_class as c
     where c.oid = target
       and c.relkind = 'p'
       and obj_description(c.oid, 'pg_class') = 'partywall: root for moves'
       and c.relowner = 'partywall_owner'::regrole
       and c.relrowsecurity and c.relforcerowsecurity
       and not exists (select from aclexplode(c.relacl) as acl where acl.grantee <> c.relowner)
       and not exists (select from pg_attribute as a where a.attrelid = c.oid and a.attacl is not null)
       and not exists (select from pg_policy as p where p.polrelid = c.oid)
  );
end
$fn$;

-- One row for each reason why the table cannot stand behind the wall. `fix` is SQL, ready to run where it can be known.
create function partywall.table_findings(target regclass, tenant_column name default 'tenant_id')
returns table (rule text, object text, problem text, fix text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $fn$
declare
  rel record;
  att record;
  keys record;
  foreign_keys oid[] := partywall.foreign_keys_of(target);
begin
  select c.oid, c.relkind, c.relowner, c.relispartition, c.relhasrules, c.relhassubclass, pg_get_userbyid(c.relowner) as owner into rel from pg_class as c where c.oid = target;
  if rel.relkind not in ('r', 'p') then
    return query select 'kind'::text, target::text,
      'Only tables can be protected: views need security_invoker, materialized views and foreign tables cannot carry policies.'::text, null::text;
    return;
  end if;
  -- A table that is a partition for a move alone has a wall of its own.
  if rel.relispartition and partywall.partition_root(target) <> target then
    return query select 'partition'::text, target::text, 'A partition is protected through its root.'::text,
      format('select partywall.protect(%L);', partywall.partition_root(target)::text);
    return;
  end if;

  select a.attnum, a.attnotnull, a.attgenerated, a.atttypid, a.attcollation, format_type(a.atttypid, a.atttypmod) as type,
         format_type(coalesce(nullif(t.typbasetype, 0), t.oid), null) as base, t.typcategory as category,
         (select a.attcollation::regcollation::text where a.attcollation <> 0) as collation
    into att
    from pg_attribute as a
    join pg_type as t on t.oid = a.atttypid
   where a.attrelid = target and a.attname = tenant_column and not a.attisdropped and a.attnum > 0;
  if att is null then
    return query select 'tenant_column'::text, target::text, format('There is no column %I.', tenant_column),
      format('alter table %s add column %I uuid not null;', target, tenant_column);
    return;
  end if;
  if partywall.tenant_key_type(target, tenant_column) is null then
    return query select 'tenant_type'::text, target::text,
      format('%I is %s%s; it must be uuid, bigint or text collate "C", of which no two spellings are equal.', tenant_column, att.type,
        case when att.collation is not null then format(' collate %s', att.collation) else '' end),
      -- Anything else (numeric would round two tenants into one) a person must decide.
      case when att.base in ('smallint', 'integer', 'bigint')
             then format('alter table %s alter column %I type bigint;', target, tenant_column)
           when att.base = 'uuid' then format('alter table %s alter column %I type uuid;', target, tenant_column)
           when att.category = 'S'
             then format('alter table %s alter column %I type text collate "C" using %I::text;', target, tenant_column, tenant_column) end;
  end if;
  if att.attgenerated <> '' then
    return query select 'tenant_generated'::text, target::text, format('%I is a generated column.', tenant_column),
      format('alter table %s alter column %I drop expression;', target, tenant_column);
  end if;
  if not att.attnotnull then
    return query select 'tenant_null'::text, target::text, format('%I may be null: a row without a tenant is nobody''s, or everybody''s.', tenant_column),
      format('alter table %s alter column %I set not null;', target, tenant_column);
  end if;
  if rel.owner <> 'partywall_owner' then
    return query select 'owner'::text, target::text, format('Its owner is %I, who could switch the policies off.', rel.owner),
      format('alter table %s owner to partywall_owner;', target);
  end if;

  -- Every CREATE SCHEMA makes every session plan anew. So the queries that say exactly what is wrong are planned and run only where a
  -- short one, which is true of more, says that something may be.

  -- Keys. A unique key without the tenant tells one tenant what another has (23505); an index without it tells by time.
  select coalesce(bool_or(i.indisprimary), false) as has_primary, coalesce(bool_or(i.indisexclusion or i.indkey[0] <> att.attnum), false) as may_tell
    into keys
    from pg_index as i
   where i.indrelid = target;
  if not keys.has_primary then
    return query select 'primary_key'::text, target::text, 'There is no primary key.'::text,
      format('alter table %s add primary key (%I, id);', target, tenant_column);
  end if;
  if keys.may_tell then
    return query
      select case when i.indisprimary then 'primary_key' when i.indisexclusion then 'exclusion' when i.indisunique then 'unique' else 'index_lead' end,
             i.indexrelid::regclass::text,
             case when i.indisunique or i.indisexclusion
               then format('%s does not begin with %I: it would tell one tenant which values another holds.', pg_get_indexdef(i.indexrelid), tenant_column)
               else format('%s does not begin with %I: its timing and plans would tell of other tenants'' rows.', pg_get_indexdef(i.indexrelid), tenant_column) end,
             case when i.indisexclusion
                    then format('alter table %s drop constraint %I, add constraint %I %s;', target, k.conname, k.conname,
                           regexp_replace(pg_get_constraintdef(k.oid), '\(', format('(%I with =, ', tenant_column)))
                  when k.conname is not null then partywall.key_with_tenant(k.oid, tenant_column)
                  else format('drop index %s; %s;', i.indexrelid::regclass,
                         regexp_replace(pg_get_indexdef(i.indexrelid), ' USING (\w+) \(', format(' USING \1 (%I, ', tenant_column))) end
        from pg_index as i
        join pg_class as ic on ic.oid = i.indexrelid
        join pg_am as am on am.oid = ic.relam
        left join pg_constraint as k on k.conindid = i.indexrelid and k.conrelid = target and k.contype in ('p', 'u', 'x')
       where i.indrelid = target
         and case when i.indisexclusion
               then not exists (
                 select from pg_constraint as x
                  where x.conindid = i.indexrelid and x.contype = 'x'
                    and exists (
                      select from unnest(x.conkey, x.conexclop) as part (attnum, op)
                        join pg_operator as o on o.oid = part.op
                       where part.attnum = att.attnum and o.oprname = '='
                    )
               )
               when i.indisunique then i.indkey[0] <> att.attnum
               -- GIN, GiST, BRIN and the like often cannot lead with a uuid, and are probed by value inside one tenant's rows.
               when am.amname in ('btree', 'hash') then i.indkey[0] <> att.attnum
               else false end;
  end if;

  -- References, out of this table and into it. Foreign keys are checked below the policies.
  if exists (
    select from pg_constraint as k
     cross join lateral unnest(k.conkey, k.confkey) as pair (here, there)
      join pg_attribute as h on h.attrelid = k.conrelid and h.attnum = pair.here
      join pg_attribute as t on t.attrelid = k.confrelid and t.attnum = pair.there
     where k.oid = any (foreign_keys)
     group by k.oid
    having not bool_or(h.attname = tenant_column and t.attname = tenant_column)
        or bool_or((h.attname = tenant_column or t.attname = tenant_column)
             and (h.attname, h.atttypid, h.attcollation) is distinct from (t.attname, t.atttypid, t.attcollation))
        or k.confupdtype in ('n', 'd')
        or (k.confdeltype in ('n', 'd') and (k.confdelsetcols is null or att.attnum = any (k.confdelsetcols)))
        or exists (
             select from partywall.protected_tables as p
              where p.table_name in (partywall.table_name(k.conrelid), partywall.table_name(k.confrelid)) and p.tenant_column <> table_findings.tenant_column
           )
  ) then
    return query
      select 'foreign_key'::text, k.conname::text,
             format('%I on %s does not carry the tenant: a row could refer to, probe or block another tenant''s.', k.conname, k.conrelid::regclass),
             format('alter table %s drop constraint %I, add constraint %I %s;',
               k.conrelid::regclass, k.conname, k.conname, partywall.foreign_key_with_tenant(k.oid, target, tenant_column))
        from pg_constraint as k
       where k.oid = any (foreign_keys)
         and not exists (select from partywall.global_tables as g where g.table_name = partywall.table_name(k.confrelid))
         and not exists (
           select from unnest(k.conkey, k.confkey) as pair (here, there)
             join pg_attribute as h on h.attrelid = k.conrelid and h.attnum = pair.here
              and h.attname = partywall.tenant_column_of(k.conrelid, target, tenant_column)
             join pg_attribute as t on t.attrelid = k.confrelid and t.attnum = pair.there
              and t.attname = partywall.tenant_column_of(k.confrelid, target, tenant_column)
         );
    -- Across types one tenant could have two spellings, and a reference be compared by another rule than the policies'.
    return query
      select 'foreign_key_type'::text, k.conname::text,
             format('%I compares %I with %s.%I, which is %s%s: both ends must know tenants by the same type.', k.conname, tenant_column,
               other.rel, a.attname, format_type(a.atttypid, a.atttypmod),
               case when a.attcollation <> 0 then format(' collate %s', a.attcollation::regcollation) else '' end),
             case when partywall.tenant_key_type(target, tenant_column) is not null
               then format('alter table %s alter column %I type %s%s;', other.rel, a.attname, att.type,
                      case when att.attcollation <> 0 then ' collate "C"' else '' end) end
        from pg_constraint as k
       cross join lateral unnest(k.conkey, k.confkey) as pair (here, there)
       cross join lateral (
               select case when k.conrelid = target then k.confrelid else k.conrelid end::regclass as rel,
                      case when k.conrelid = target then pair.there else pair.here end as attnum
             ) as other
        join pg_attribute as a on a.attrelid = other.rel and a.attnum = other.attnum
       where k.oid = any (foreign_keys)
         and ((k.conrelid = target and pair.here = att.attnum) or (k.confrelid = target and pair.there = att.attnum))
         and k.conrelid <> k.confrelid
         and not exists (select from partywall.global_tables as g where g.table_name = partywall.table_name(k.confrelid))
         and (a.atttypid, a.attcollation) is distinct from (att.atttypid, att.attcollation);
    return query
      select 'foreign_key_action'::text, k.conname::text,
             format('%I sets %I to null or its default when the other row goes.', k.conname, tenant_column),
             format('alter table %s drop constraint %I, add constraint %I %s;', target, k.conname, k.conname,
               partywall.foreign_key_with_tenant(k.oid, target, tenant_column))
        from pg_constraint as k
       where k.oid = any (foreign_keys) and k.conrelid = target
         and ((k.confdeltype in ('n', 'd') and (k.confdelsetcols is null or att.attnum = any (k.confdelsetcols)) and att.attnum = any (k.conkey))
           or (k.confupdtype in ('n', 'd') and att.attnum = any (k.conkey)));
  end if;

  -- A sequence shared by all tells each how much the others write.
  return query
    select 'shared_sequence'::text, format('%s.%I', target, a.attname),
           format('%I counts in a sequence that all tenants share: its values tell how much the others write.', a.attname),
           case when a.attidentity <> ''
             then format('alter table %s alter column %I drop identity;', target, a.attname)
             else format('alter table %s alter column %I drop default;', target, a.attname) end
      from pg_attribute as a
      left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where a.attrelid = target and a.attnum > 0 and not a.attisdropped
       and (a.attidentity <> '' or pg_get_expr(d.adbin, d.adrelid) ~* 'nextval\(');

  if rel.relhasrules then
    return query
      select 'rule'::text, r.rulename::text, format('The rewrite rule %I runs with its owner''s rights.', r.rulename),
             format('drop rule %I on %s;', r.rulename, target)
        from pg_rewrite as r
       where r.ev_class = target and r.rulename <> '_RETURN';
  end if;
  return query
    select 'policy'::text, p.polname::text,
           format('The permissive policy %I is not ours: permissive policies open what others close.', p.polname),
           format('drop policy %I on %s;', p.polname, target)
      from pg_policy as p
     where p.polrelid = target and p.polpermissive and p.polname !~ '^partywall_(tenant|wall_(select|insert|update|delete))$';
  if rel.relhassubclass then
    return query
      select 'inheritance'::text, i.inhrelid::regclass::text, 'Inheritance (without partitions) shows child rows past the parent''s policies.'::text,
             format('alter table %s no inherit %s;', i.inhrelid::regclass, target)
        from pg_inherits as i
       where i.inhparent = target and rel.relkind = 'r';
  end if;
end
$fn$;

-- The table that a partition belongs to in the end. Under a root for moves each is its own.
create function partywall.partition_root(target regclass) returns regclass
language sql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
return coalesce(
  (
    select a.rel
      from pg_partition_ancestors(target) with ordinality as a (rel, height)
     where obj_description(a.rel, 'pg_class') is distinct from 'partywall: root for moves'
     order by a.height desc
     limit 1
  ),
  target
);

-- In a schema that is one tenant's own, its tables take that tenant's rows alone. Nobody else can put a row there, not even by
-- the table's full name; and the table can become a partition for that tenant without being read. In any other it does nothing.
create function partywall.keep_to_dweller(target regclass, tenant_column name) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set client_min_messages = warning
as $fn$
declare
  dweller record;
  here text := partywall.table_name(target);
  key_type text := partywall.tenant_key_type(target, tenant_column);
begin
  select g.tenant_id, case key_type when 'uuid' then g.tenant_id::text when 'bigint' then g.key_bigint::text else g.key_text end as key
    into dweller
    from partywall.gates as g
    join pg_namespace as n on n.nspname = g.schema_name
    join pg_class as c on c.relnamespace = n.oid
   where c.oid = target;
  if dweller.tenant_id is null then
    return;
  end if;
  if dweller.key is null then
    raise exception using errcode = 'PW010', message = format('%s cannot be protected: its tenant has no key of type %s', here, key_type), detail = '[]',
      hint = 'Give the tenant its key in the catalog first.';
  end if;
  execute format('alter table %s drop constraint if exists partywall_tenant_check', here);
  execute format('alter table %s add constraint partywall_tenant_check check (%I = %L::%s)', here, tenant_column, dweller.key, key_type);
end
$fn$;

-- Puts a table behind the wall. Raises PW010 with every finding as JSON in the detail when it cannot; changes nothing then.
-- Calling it again is harmless, and right after new partitions or grants.
create function partywall.protect(target regclass, tenant_column name default 'tenant_id') returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set client_min_messages = warning
as $fn$
declare
  findings jsonb;
  here text := partywall.table_name(target);
  child regclass;
  column_is text := format('%I', tenant_column);
  -- Each type has its own view and default: nothing is cast, so nothing is folded.
  key_type text := partywall.tenant_key_type(target, tenant_column);
  suffix text := case key_type when 'uuid' then '' else '_' || key_type end;
  reads text := format('%I = (select b.tenant_id from partywall.bound%s as b)', tenant_column, suffix);
  writes text := format('%I = (select b.tenant_id from partywall.bound%s_for_writing as b)', tenant_column, suffix);
begin
  select jsonb_agg(jsonb_build_object('rule', f.rule, 'object', f.object, 'problem', f.problem, 'fix', f.fix)) into findings
    from partywall.table_findings(target, tenant_column) as f;
  if findings is not null then
    raise exception using errcode = 'PW010',
      message = format('%s cannot be protected: %s', here,
        (select string_agg(f ->> 'problem', ' ') from jsonb_array_elements(findings) as f)),
      detail = findings::text,
      -- RAISE does not take a null.
      hint = coalesce((select string_agg(f ->> 'fix', E'\n') from jsonb_array_elements(findings) as f where f ->> 'fix' is not null), '');
  end if;

  execute format('alter table %s alter column %s set default partywall.tenant_%s()', here, column_is,
    case key_type when 'uuid' then 'id' else key_type end);
  perform partywall.keep_to_dweller(target, tenant_column);

  execute format('drop policy if exists partywall_tenant on %s', here);
  execute format('drop policy if exists partywall_wall_select on %s', here);
  execute format('drop policy if exists partywall_wall_insert on %s', here);
  execute format('drop policy if exists partywall_wall_update on %s', here);
  execute format('drop policy if exists partywall_wall_delete on %s', here);
  -- One permissive policy lets the tenant in. Restrictive twins stand behind it: whatever permissive policy somebody adds
  -- later, these hold. Those of commands that write are fenced as well.
  execute format('create policy partywall_tenant on %s as permissive for all to public using (%s) with check (%s)', here, reads, reads);
  execute format('create policy partywall_wall_select on %s as restrictive for select to public using (%s)', here, reads);
  execute format('create policy partywall_wall_insert on %s as restrictive for insert to public with check (%s)', here, writes);
  execute format('create policy partywall_wall_update on %s as restrictive for update to public using (%s) with check (%s)', here, writes, writes);
  execute format('create policy partywall_wall_delete on %s as restrictive for delete to public using (%s)', here, writes);

  -- What replication brings is held by no policy. In a schema that is one tenant's own the check above is guard enough.
  if here like 'app.%' then
    perform partywall.guard_applied_rows(target, tenant_column);
  end if;
  execute format('alter table %s enable row level security, force row level security', here);
  execute format('revoke all on %s from public, partywall_app, partywall_tenants', here);
  execute format('grant select, insert, update, delete on %s to partywall_app, partywall_tenants', here);
  -- Policies of a partitioned table do not hold for its partitions when they are named directly: nobody may name them.
  for child in select t.relid from pg_partition_tree(target) as t where t.relid <> target loop
    execute format('alter table %s enable row level security, force row level security', partywall.table_name(child));
    execute format('revoke all on %s from public, partywall_app, partywall_tenants', partywall.table_name(child));
  end loop;

  insert into partywall.protected_tables as p (table_name, tenant_column)
  values (here, protect.tenant_column)
      on conflict on constraint protected_tables_pkey
      do update set tenant_column = excluded.tenant_column, protected_at = clock_timestamp();
end
$fn$;
comment on function partywall.protect(regclass, name) is
  'Puts a table behind the wall: checks its keys, forces row-level security, creates the policies, grants the app what it needs.';

-- Declares that a table holds no tenant's data: the same rows for all, read-only for the app.
create function partywall.declare_global(target regclass, reason text) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $fn$
declare
  here text := partywall.table_name(target);
begin
  if exists (select from partywall.protected_tables as p where p.table_name = here) then
    raise exception using errcode = 'PW010', message = format('%s is protected: it cannot be global too', here), detail = '[]';
  end if;
  execute format('revoke all on %s from public, partywall_app, partywall_tenants', here);
  execute format('grant select on %s to partywall_app, partywall_tenants', here);
  insert into partywall.global_tables as g (table_name, reason)
  values (here, declare_global.reason)
      on conflict on constraint global_tables_pkey do update set reason = excluded.reason;
end
$fn$;
comment on function partywall.declare_global(regclass, text) is
  'Declares a table global: no tenant''s data, readable by all tenants, written by migrations only. The reason is at least ten characters.';

revoke execute on all functions in schema partywall from public;
