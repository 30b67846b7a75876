// What partywall made in a database, in a form that can be compared: written down when it is installed, and looked at by the doctor.

/**
 * A statement's rows (object, digest, deparsed): each function, view and trigger of the schema partywall. `digest` is of what is stored
 * as it was written: owner, settings, privileges, and the body that is text. `deparsed` is of what PostgreSQL writes itself, or null:
 * another major version may write it in another way. Names come out as the search_path shows them, which must be `pg_catalog, pg_temp`.
 */
export const ownObjects = `
select format('partywall.%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) as object,
       encode(sha256(convert_to(concat_ws(E'\\n', p.proowner::regrole, p.prosecdef, p.provolatile, p.proparallel, p.proleakproof, p.proisstrict,
         p.proconfig::text, l.lanname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), given.list, p.prosrc), 'UTF8')), 'hex') as digest,
       encode(sha256(convert_to(pg_get_function_sqlbody(p.oid), 'UTF8')), 'hex') as deparsed
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_language as l on l.oid = p.prolang
 cross join lateral (
         select string_agg(format('%s %s %s', acl.grantee::regrole, acl.privilege_type, acl.is_grantable), ',' order by acl.grantee::regrole::text, acl.privilege_type) as list
           from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl
       ) as given
 where p.pronamespace = 'partywall'::regnamespace
union all
select format('partywall.%I', c.relname),
       encode(sha256(convert_to(concat_ws(E'\\n', c.relowner::regrole, c.reloptions::text, given.list), 'UTF8')), 'hex'),
       encode(sha256(convert_to(pg_get_viewdef(c.oid), 'UTF8')), 'hex')
  from pg_catalog.pg_class as c
 cross join lateral (
         select string_agg(format('%s %s %s', acl.grantee::regrole, acl.privilege_type, acl.is_grantable), ',' order by acl.grantee::regrole::text, acl.privilege_type) as list
           from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) as acl
          -- PostgreSQL 17 brought it, and whoever owns the view has it.
          where acl.privilege_type <> 'MAINTAIN'
       ) as given
 where c.relnamespace = 'partywall'::regnamespace and c.relkind = 'v'
union all
select format('%I on partywall.%I', t.tgname, c.relname),
       encode(sha256(convert_to(t.tgfoid::regproc::text, 'UTF8')), 'hex'),
       encode(sha256(convert_to(pg_get_triggerdef(t.oid), 'UTF8')), 'hex')
  from pg_catalog.pg_trigger as t
  join pg_catalog.pg_class as c on c.oid = t.tgrelid
 where c.relnamespace = 'partywall'::regnamespace and not t.tgisinternal and t.tgparentid = 0`
