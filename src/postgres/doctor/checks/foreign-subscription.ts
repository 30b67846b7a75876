// Subscriptions that are not those of a move under way.

import type { DoctorCheck, Said } from '../check.ts'

export const foreignSubscription: DoctorCheck = {
  stem: 'foreign-subscription',
  level: 'warning',
  title: 'Rows come in by a subscription that is not partywall’s',
  gain: 'What replication applies no policy holds: whoever writes at the other end writes rows of any tenant here.',
  scope: 'database',
  find: ({ control }) => control.query<Said>(statement),
}

const statement = `
select quote_ident(s.subname) as object,
       format('The subscription %I applies the changes of %s to this database, with the rights of %I.', s.subname,
         (select string_agg(quote_ident(p.name), ', ') from unnest(s.subpublications) as p (name)), pg_get_userbyid(s.subowner)) as problem,
       format('alter subscription %I disable;', s.subname) as fix,
       'administrator' as "fixAs"
  from pg_catalog.pg_subscription as s
  join pg_catalog.pg_database as d on d.oid = s.subdbid and d.datname = current_database()
 where s.subenabled
   and not (s.subname ~ '^pw_mv_[0-9a-f]{32}_[0-9]+$' and s.subpublications = array[regexp_replace(s.subname, '_[0-9]+$', '')])
 order by 1`
