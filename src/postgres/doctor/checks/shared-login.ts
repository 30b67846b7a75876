// The application logs in as a role that partywall has for itself.

import { roles } from '../../roles.ts'
import { bySql } from '../check.ts'

export const sharedLogin = bySql(
  {
    stem: 'shared-login',
    level: 'error',
    title: 'The application shares a login with the control plane',
    gain: 'An injected statement issues itself a capability for any tenant, or becomes the owner and lifts the policies.',
    scope: 'server',
  },
  `select $1::text as object,
          format('The application’s statements run as %I, which %s.', $1::text, case $1::text
            when '${roles.gatekeeper}' then 'issues capabilities for every tenant'
            when '${roles.doctor}' then 'reads the control plane’s lists'
            else 'owns the tables or becomes their owner' end) as problem,
          null::text as fix, 'administrator' as "fixAs"
    where $1::text in ('${roles.owner}', '${roles.migrator}', '${roles.gatekeeper}', '${roles.doctor}')`,
)
