// What of partywall’s own schema the application may read, write or call, beyond what it is given.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'
import { withGrantees } from '../grantees.ts'

/** Functions with their owner’s rights that the application’s logins are given: they tell of what is bound, bind, or refuse. */
const callable = [
  'tenant_id',
  'tenant_bigint',
  'tenant_text',
  'refuse',
  'refuse_write',
  'refuse_key',
  'refuse_write_key',
  'bind_capability',
] as const

/** What tenants’ own logins are given besides: no gatekeeper comes into their databases. Each asks whose login it is. */
const callableOfOwn = ['issue_own', 'issue_for_grant', 'revoke_grant', 'gate_of', 'reopen_gate', 'append_own_audit'] as const

export const controlPlaneInReach = bySql(
  {
    stem: 'control-plane-in-reach',
    level: 'error',
    title: 'The application reaches partywall’s own tables or functions',
    gain: 'Capabilities, gates and lists are what the policies believe: whoever reads or writes them is whichever tenant he likes.',
    scope: 'database',
  },
  `${withGrantees}, given as (
     select c.oid, c.relname, acl.grantee, acl.privilege_type
       from pg_catalog.pg_class as c cross join lateral aclexplode(c.relacl) as acl
      where c.relnamespace = 'partywall'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
     union all
     select c.oid, c.relname, acl.grantee, acl.privilege_type
       from pg_catalog.pg_class as c
       join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attacl is not null
      cross join lateral aclexplode(a.attacl) as acl
      where c.relnamespace = 'partywall'::regnamespace
   )
   select format('partywall.%I for %s', t.relname, g.name) as object,
          format('%s has %s on partywall.%I.', case g.oid when 0 then 'Every role' else g.name end, string_agg(distinct t.privilege_type, ', '), t.relname) as problem,
          format('revoke %s on partywall.%I from %s;', lower(string_agg(distinct t.privilege_type, ', ')), t.relname, g.name) as fix,
          'owner' as "fixAs", true as "isFixSafe"
     from given as t
     join grantees as g on g.oid = t.grantee
    where not (t.relname ~ '^bound(_bigint|_text)?(_for_writing)?$' and t.privilege_type = 'SELECT')
    group by t.relname, g.oid, g.name
   union all
   select format('partywall.%I(%s) for %s', p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid), g.name),
          format('%s may call partywall.%I, which runs with its owner’s rights.', case g.oid when 0 then 'Every role' else g.name end, p.proname),
          format('revoke execute on function partywall.%I(%s) from %s;', p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid), g.name), 'owner', true
     from pg_catalog.pg_proc as p
    cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as acl
     join grantees as g on g.oid = acl.grantee
    where p.pronamespace = 'partywall'::regnamespace and p.prosecdef
      and p.proname not in (${callable.map((name) => `'${name}'`).join(', ')})
      and not (g.name = '${roles.tenants}' and p.proname in (${callableOfOwn.map((name) => `'${name}'`).join(', ')}))
    order by 1`,
)
