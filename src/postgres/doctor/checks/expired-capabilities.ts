// Capabilities that have run out long ago. They open nothing; that they are there says that nobody clears them away.

import { bySql } from '../check.ts'

export const expiredCapabilities = bySql(
  {
    stem: 'expired-capabilities',
    level: 'note',
    title: 'Capabilities that have run out are not cleared away',
    gain: 'Nothing; but the table grows, and every statement of every tenant looks into it.',
    scope: 'database',
  },
  `select 'partywall.capabilities' as object,
          format('There are %s capabilities that ran out more than an hour ago.', count(*)) as problem,
          'select partywall.reap(10000);' as fix,
          true as "isFixSafe"
     from partywall.capabilities as c
    where c.expires_at < now() - interval '1 hour' and $1::name is not null
      -- Those up to …ff are canaries', which are to have run out.
      and c.tenant_id > '00000000-0000-0000-0000-0000000000ff'
   having count(*) > 10000`,
)
