// A protected table with an index for full text, in a database where PostgreSQL does not use one behind policies.

import { fullTextMatches, markFullText } from '../../full-text.ts'
import { bySql } from '../check.ts'
import { withWalled } from '../walled.ts'

export const fullTextReadsAll = bySql(
  {
    stem: 'full-text-reads-all',
    level: 'note',
    title: 'A full-text search of a protected table reads every row of its tenant, whatever indexes it has',
    gain: 'Nothing of another’s; but a tenant’s search takes as long as the tenant is large, and holds a connection that others wait for.',
    scope: 'database',
  },
  `${withWalled}
   select t.name as object,
          format('%s has an index for full text that is not used behind its policies, since "@@" is not LEAKPROOF in this database.', t.name) as problem,
          '${markFullText}' as fix, 'administrator' as "fixAs", true as "isFixSafe"
     from guarded as t
    where exists (
            select from pg_catalog.pg_index as i
              join pg_catalog.pg_class as c on c.oid = i.indexrelid
              join pg_catalog.pg_am as m on m.oid = c.relam and m.amname in ('gin', 'gist')
              join pg_catalog.pg_attribute as a on a.attrelid = i.indexrelid
              join pg_catalog.pg_opclass as o on o.oid = i.indclass[a.attnum - 1] and o.opcintype = 'tsvector'::regtype
             where i.indrelid = t.oid and i.indisvalid
          )
      and exists (
            select from pg_catalog.pg_proc as p
             where p.oid in (${fullTextMatches.map((signature) => `'pg_catalog.${signature}'::regprocedure`).join(', ')})
               and not p.proleakproof
          )
    order by 1`,
)
