// Gates of the catalog's own database beside what the catalog says of their tenants. Triggers keep the two together: where they differ,
// somebody has written one of them by hand. In the other databases placement-drift looks, tenant by tenant.

import { bySql } from '../check.ts'

export const gateAgainstCatalog = bySql(
  {
    stem: 'gate-against-catalog',
    level: 'error',
    title: 'A gate is open to a tenant that the catalog does not let in',
    gain: 'Whoever was suspended, removed or moved elsewhere gets in as before: capabilities are issued for every gate that is open.',
    scope: 'catalog',
  },
  `select coalesce(g.tenant_id, t.id)::text as object,
          case when g.tenant_id is null then format('Tenant %s is %s in this database and has no gate: nobody can be let in, or kept out.', t.id, t.status)
               when t.id is null then format('The gate of %s is %s, and the catalog has no such tenant.', g.tenant_id, g.state)
               when t.database_name <> 'main' then format('The gate of tenant %s is %s, and the tenant lives in the database %s.', t.id, g.state, t.database_name)
               else format('The gate of tenant %s is %s, and the tenant is %s.', t.id, g.state, t.status) end as problem,
          format('select partywall.set_gate(%L, %L);', coalesce(g.tenant_id, t.id),
            case when t.database_name <> 'main' then 'moved' when t.status = 'active' then 'open' else 'suspended' end) as fix,
          case when g.tenant_id is null or t.id is null then 'warning' else 'error' end as level
     from partywall.tenants as t
     full join (
            -- Those up to …ff are nobody's: they are partywall's own.
            select g.tenant_id, g.state from partywall.gates as g where g.tenant_id > '00000000-0000-0000-0000-0000000000ff'
          ) as g on g.tenant_id = t.id
    where $1::name is not null
      and ((g.tenant_id is null and t.database_name = 'main')
        or (g.state in ('open', 'read_only') and (t.id is null or t.database_name <> 'main' or t.status <> 'active')))
      -- A tenant who moves has gates in both places, and which of them is open changes under way.
      and not exists (select from partywall.moving_places as m where m.tenant_id = coalesce(g.tenant_id, t.id))
    order by 1`,
)
