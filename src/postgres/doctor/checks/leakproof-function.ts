// A function that is neither PostgreSQL's nor an extension's and that somebody marked LEAKPROOF.

import { bySql } from '../check.ts'
import { withFunctions } from '../functions.ts'

export const leakproofFunction = bySql(
  {
    stem: 'leakproof-function',
    level: 'error',
    title: 'A function is LEAKPROOF, and sees rows before the policies do',
    gain: 'The function is run on every row of every tenant, and can tell what it saw by a notice, an error or the time that it takes.',
    scope: 'database',
  },
  `${withFunctions}
   select f.name as object,
          format('%s is LEAKPROOF: PostgreSQL runs it on rows before the policies have said whose they are.', f.name) as problem,
          format('alter function %s not leakproof;', f.name) as fix, true as "isFixSafe",
          case when f.is_called then 'error' else 'warning' end as level
     from functions as f
    where f.is_leakproof
    order by 1`,
)
