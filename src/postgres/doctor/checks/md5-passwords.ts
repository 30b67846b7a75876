// How the server keeps new passwords.

import { bySql } from '../check.ts'

export const md5Passwords = bySql(
  {
    stem: 'md5-passwords',
    level: 'warning',
    title: 'Passwords are kept as MD5',
    gain: 'Whoever reads a dump of the roles, or one login’s hash, logs in as that login.',
    scope: 'server',
  },
  `select 'password_encryption' as object,
          'New passwords are kept as MD5: what the server stores is enough to log in.' as problem,
          null as fix,
          'administrator' as "fixAs"
     from pg_catalog.pg_settings as s
    where s.name = 'password_encryption' and s.setting = 'md5' and $1::name is not null`,
)
