// What moves leave behind in the catalog's own database when whoever ran them died: only what bears the name of a move that is over, or
// that the catalog never had.

import { bySql } from '../check.ts'

export const leftByMove = bySql(
  {
    stem: 'left-by-move',
    level: 'warning',
    title: 'A move that is over has left a slot, a subscription or a publication',
    gain: 'A publication hands out a tenant’s rows without a policy to whoever may replicate, and a slot keeps the write-ahead log of all who share the server.',
    scope: 'catalog',
  },
  `with left_over (kind, name) as (
     select 'publication', p.pubname::text from pg_catalog.pg_publication as p
     union all
     select 'subscription', s.subname::text
       from pg_catalog.pg_subscription as s join pg_catalog.pg_database as d on d.oid = s.subdbid
      where d.datname = current_database()
     union all
     select 'slot', r.slot_name::text from pg_catalog.pg_replication_slots as r where r.database = current_database()
   ), named (kind, name, move) as (
     select l.kind, l.name, substring(l.name from '^pw_mv_([0-9a-f]{32})(_[0-9]+)?$')::uuid from left_over as l
   )
   select format('%s %s', n.kind, n.name) as object,
          format('The %s %s is that of the move %s, which %s.', n.kind, n.name, n.move,
            case when m.id is null then 'the catalog does not have' else format('is %s since %s', m.state, m.finished_at) end) as problem,
          case n.kind
            when 'publication' then format('drop publication %I;', n.name)
            when 'slot' then format('select pg_drop_replication_slot(%L);', n.name)
          end as fix,
          'administrator' as "fixAs"
     from named as n
     left join partywall.moves as m on m.id = n.move
    where n.move is not null and $1::name is not null
      and (m.id is null or m.finished_at < now() - interval '15 minutes')
    order by 1`,
)
