// Moves whose next step is due, and which no mover has taken.

import { bySql } from '../check.ts'

export const stuckMove = bySql(
  {
    stem: 'stuck-move',
    level: 'warning',
    title: 'A move is not over, and no mover goes on with it',
    gain: 'The tenant’s rows are in two places, one of which nobody looks after, and its slot keeps the write-ahead log of all who share the server.',
    scope: 'catalog',
  },
  `select m.id::text as object,
          format('The move %s of tenant %s is %s; its next step is due since %s, and no mover has taken it.', m.id, m.tenant_id, m.state, m.due_at) as problem,
          null as fix
     from partywall.moves as m
    where m.state not in ('done', 'cancelled') and $1::name is not null
      and m.due_at < now() - interval '15 minutes'
      and coalesce(m.owned_until, '-infinity') < now() - interval '15 minutes'
    order by 1`,
)
