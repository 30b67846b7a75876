// What is not as it must be in a schema of a tenant's own.

import type { PlacedTenant, PlacementFinding } from '../../core/placement-adapter.ts'
import { rootRules, schemaFindings } from '../boot-gate.ts'
import { roles } from '../roles.ts'
import { type PlacementSite, told } from './placement-site.ts'

export async function ownSchemaFindings(site: PlacementSite, tenant: PlacedTenant): Promise<readonly PlacementFinding[]> {
  const { database, schema } = tenant.placement
  const values = [schema, tenant.id, roles.app, roles.owner]
  return await told(() =>
    site.connections.asMigrator(database, async (control) => {
      const outside = await control.query<PlacementFinding>(schemaRules, values)
      // In a schema that is not the owner's, the owner may not look at the tables.
      if (outside.some(({ rule }) => rule === 'schema_missing' || rule === 'schema_owner')) return outside
      const inside = await control.query<PlacementFinding>([checkRules, publicRules, rootRules, noRules].join('\nunion all\n'), values)
      return [...outside, ...inside, ...(await schemaFindings(control, roles.app, schema))]
    }),
  )
}

// $1 the schema, $2 the tenant, $3 the app's role, $4 the owner.

const schemaRules = `
  select 'schema_missing' as rule, $1::text as object, 'The schema is not there.' as problem, null::text as fix
   where to_regnamespace($1::text) is null
  union all
  select 'schema_owner', n.nspname::text, format('The owner of the schema is %I, who could hand it to others.', pg_get_userbyid(n.nspowner)),
         format('alter schema %I owner to %I;', n.nspname, $4::name)
    from pg_catalog.pg_namespace as n
   where n.nspname = $1::text and pg_get_userbyid(n.nspowner) <> $4::name
  union all
  select 'schema_privilege', n.nspname::text,
         format('%s has %s on the schema.', coalesce((select quote_ident(r.rolname) from pg_catalog.pg_roles as r where r.oid = acl.grantee), 'PUBLIC'), acl.privilege_type),
         format('revoke %s on schema %I from %s;', lower(acl.privilege_type), n.nspname,
           coalesce((select quote_ident(r.rolname) from pg_catalog.pg_roles as r where r.oid = acl.grantee), 'public'))
    from pg_catalog.pg_namespace as n
   cross join lateral aclexplode(n.nspacl) as acl
   where n.nspname = $1::text
     and acl.grantee <> n.nspowner
     and not (acl.grantee = $3::name::text::regrole and acl.privilege_type = 'USAGE' and not acl.is_grantable)
  union all
  select 'schema_entry', n.nspname::text, 'The app may not enter the schema: the tenant cannot be served.', format('grant usage on schema %I to %I;', n.nspname, $3::name)
    from pg_catalog.pg_namespace as n
   where n.nspname = $1::text and not has_schema_privilege($3::name, n.oid, 'usage')
  union all
  select 'gate_schema', $1::text, 'The gate does not record the schema as this tenant''s.', format('select partywall.set_gate_schema(%L, %L);', $2::uuid, $1::text)
   where not exists (select from partywall.gates as g where g.tenant_id = $2::uuid and g.schema_name = $1::text)`

const checkRules = `
  select 'tenant_check' as rule, p.table_name as object, format('%s would take rows of another tenant: its check is missing, was changed, or was never proven.', p.table_name) as problem,
         format('select partywall.protect(%L, %L);', p.table_name, p.tenant_column) as fix
    from partywall.protected_tables as p
    join partywall.gates as g on g.tenant_id = $2::uuid
    join pg_catalog.pg_attribute as a on a.attrelid = to_regclass(p.table_name) and a.attname = p.tenant_column and not a.attisdropped
   where p.table_name >= $1::text || '.' and p.table_name < $1::text || '/'
     and not exists (
       select from pg_catalog.pg_constraint as k
        where k.conrelid = to_regclass(p.table_name) and k.conname = 'partywall_tenant_check' and k.contype = 'c' and k.convalidated
          and pg_get_constraintdef(k.oid) = format('CHECK ((%I = %L::%s))', p.tenant_column,
                case a.atttypid when 'uuid'::regtype then g.tenant_id::text when 'bigint'::regtype then g.key_bigint::text else g.key_text end,
                format_type(a.atttypid, null))
     )`

/** Finds nothing: a statement has to name each of its parameters. */
const noRules = 'select null, null, null, null where $3::name is null and $4::name is null'

/** A name that is not in the tenant's schema must be found nowhere. */
const publicRules = `
  select 'public_table', format('public.%I', c.relname), format('public.%I is in no tenant''s schema, where all could meet in it.', c.relname), null
    from pg_catalog.pg_class as c
   where c.relnamespace = to_regnamespace('public') and c.relkind in ('r', 'p', 'v', 'm', 'f')
     and not exists (select from pg_catalog.pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')`
