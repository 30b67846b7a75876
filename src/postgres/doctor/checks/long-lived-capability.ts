// Capabilities that no function of partywall has issued: those live for an hour at the most.

import { bySql } from '../check.ts'

export const longLivedCapability = bySql(
  {
    stem: 'long-lived-capability',
    level: 'error',
    title: 'A capability lives for longer than any that partywall issues',
    gain: 'Whoever has it is in that tenant until then: somebody wrote it by hand.',
    scope: 'database',
  },
  `select c.tenant_id::text as object,
          format('Tenant %s has %s that %s for longer than an hour.', c.tenant_id,
            case count(*) when 1 then 'a capability' else format('%s capabilities', count(*)) end, case count(*) when 1 then 'lives' else 'live' end) as problem,
          format('delete from partywall.capabilities as c where c.tenant_id = %L and c.expires_at > now() + interval ''1 hour 5 minutes'';', c.tenant_id) as fix,
          true as "isFixSafe"
     from partywall.capabilities as c
    where c.expires_at > now() + interval '1 hour 5 minutes' and $1::name is not null
      -- Those up to …ff open nothing: they keep the table from being small.
      and c.tenant_id > '00000000-0000-0000-0000-0000000000ff'
    group by c.tenant_id
    order by 1`,
)
