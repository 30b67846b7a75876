// In whose name a privilege reaches the application's SQL.

import { withReach } from './reach.ts'

/**
 * As `withReach`, and `grantees` (oid, name): PUBLIC, which is 0 in an ACL, and every role in reach. `name` is as GRANT writes it. What an
 * ACL gives one of them, the application's statements have.
 */
export const withGrantees = `${withReach}, grantees (oid, name) as (
  select 0::oid, 'public'
  union
  select r.oid, quote_ident(r.rolname)
    from reach
    join pg_catalog.pg_roles as r on r.oid = reach.role
)`
