// TLS of a server that others than its own machine can reach.

import { bySql } from '../check.ts'

export const unencryptedConnections = bySql(
  {
    stem: 'unencrypted-connections',
    level: 'warning',
    title: 'The server takes connections from elsewhere in the clear',
    gain: 'Passwords’ proofs, capabilities and rows, for whoever sees the network.',
    scope: 'server',
  },
  `select 'ssl' as object,
          format('The server listens on %s and has no TLS.', a.setting) as problem,
          null as fix,
          'administrator' as "fixAs"
     from pg_catalog.pg_settings as s
    cross join pg_catalog.pg_settings as a
    where s.name = 'ssl' and s.setting = 'off' and a.name = 'listen_addresses' and $1::name is not null
      and exists (
        select from regexp_split_to_table(a.setting, '\\s*,\\s*') as address
         where address not in ('', 'localhost', '127.0.0.1', '::1')
      )`,
)
